"""A run as a file and back: the same values, byte for byte; and a file that is not right does nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clock import ManualClock
from treadle.archive_files import SavedRuns
from treadle.db import Database
from treadle.errors import InvalidAnswer
from treadle.feed import Feed
from treadle.fields.secrets import SECRET
from treadle.files import Files
from treadle.importers import run_file

LIVE = st.sampled_from(["done", "failed", "stopped"])
TEXT = st.text(max_size=20)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-2**60, 2**60) | st.floats(allow_nan=False,
                    allow_infinity=False) | TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
                        TEXT, inner, max_size=4), max_leaves=8)
VALUE = JSON.map(lambda value: json.dumps(value, ensure_ascii=False)) | JSON.map(json.dumps)


class Store:
    """The tables of runs, and what saves them, in a folder of their own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "files").mkdir()
        self.db = Database(":memory:")
        self.files = Files(self.folder / "files", self.db, ManualClock())
        self.saved = SavedRuns(self.db, Feed(self.db), ManualClock(), self.files)

    def close(self) -> None:
        self.db.close()
        shutil.rmtree(self.folder)

    def run(self, steps=(), items=()) -> str:
        """A run with these rows: (label, key, state, value), and items (state, value, error) of its last step."""
        key = f"default-gone-{self.db.one('SELECT count(*) AS n FROM runs')['n'] + 1:02d}"
        self.db.execute("INSERT INTO runs (key, endpoint, number, title, state, version, created_at, updated_at, rev) "
                        "VALUES (?, 'gone', ?, 'Gone', 'open', 'v_1', 5, 6, 1)", (key, int(key[-2:])))
        id = 0
        for n, (label, name, state, value) in enumerate(steps, 1):
            id = self.db.execute(
                "INSERT INTO steps (run, label, key, slug, kind, state, value, position, created_at, rev) "
                "VALUES (?, ?, ?, ?, 'each', ?, ?, ?, 7, 1)", (key, label, name, f"s-{n}", state, value, n)).lastrowid
        for n, (state, value, error) in enumerate(items):
            self.db.execute("INSERT INTO items (step, number, digest, state, value, error) VALUES (?, ?, 'd', ?, ?, ?)",
                            (id, n, state, value, error))
        return key

    async def lines(self, key: str) -> str:
        return "".join([part async for part in self.saved.lines_of(key)])

    def file(self, lines: str) -> Path:
        path = self.folder / "saved.html"
        path.write_bytes(b"<!doctype html>\n<p>\n" + run_file.BEGIN + b"\n" + lines.encode() + b"</script>\n</html>")
        return path

    def rows(self, key: str) -> list[tuple]:
        return [tuple(row) for row in self.db.rows(
            "SELECT label, key, slug, kind, state, was, value, digest, position, version, error FROM steps "
            "WHERE run = ? ORDER BY id", (key,))]

    def items(self, key: str) -> list[tuple]:
        return [tuple(row) for row in self.db.rows(
            "SELECT s.position, i.number, i.digest, i.state, i.value, i.error FROM items i JOIN steps s "
            "ON s.id = i.step WHERE s.run = ? ORDER BY s.id, i.number", (key,))]


@pytest.fixture
def store():
    store = Store()
    yield store
    store.close()


# -- there and back


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.text(min_size=1, max_size=12).filter(lambda text: "\0" not in text), LIVE, VALUE),
                max_size=4, unique_by=lambda step: step[0]),
       st.lists(st.tuples(st.sampled_from(["done", "failed"]), st.none() | VALUE,
                          TEXT.filter(lambda text: "\0" not in text)), max_size=6))
def test_values_come_back_byte_for_byte(steps, items):
    store = Store()

    async def there_and_back() -> None:
        key = store.run([(label, "", state, value) for label, state, value in steps], items if steps else ())
        lines = await store.lines(key)
        json.loads(lines)  # it is JSON as a whole
        assert not set("<>&") & set(lines)  # and ends no element
        again = await store.saved.bring_in(store.file(lines))
        assert store.rows(again) == store.rows(key) and store.items(again) == store.items(key)

    try:
        asyncio.run(there_and_back())
    finally:
        store.close()


async def test_a_run_comes_back_locked_with_its_files_under_ids_of_their_own(store):
    async with store.files.receive("a b.bin", run="x", step="s-1", max_bytes=10_000_000) as sink:
        await sink.write(bytes(range(256)) * 5_000)
    id = sink.file.id
    key = store.run([("File", "", "done", json.dumps({"file": id}))], [("done", f'{{"file":"{id}"}}', "")])
    store.files.keep(id, run=key, step="s-1")
    lines = await store.lines(key)
    again = await store.saved.bring_in(store.file(lines))
    row = store.db.one("SELECT * FROM files WHERE run = ?", (again,))
    assert (row["name"], row["step"], row["kept"], row["sha256"]) == ("a b.bin", "s-1", 1, sink.file.sha256)
    assert row["id"] != id and store.rows(again)[0][6] == json.dumps({"file": row["id"]})
    assert store.items(again)[0][4] == f'{{"file":"{row["id"]}"}}'
    assert (store.files.folder / row["id"]).read_bytes() == bytes(range(256)) * 5_000
    run = store.db.one("SELECT * FROM runs WHERE key = ?", (again,))
    assert (run["state"], run["deleted"], run["origin"], run["created_at"]) == ("finished", 0, "import", 5)


async def test_the_largest_result_and_the_oddest_title_come_back(store):
    key = store.run([("Job", "", "done", json.dumps('<"' * 500_000))])
    title = "Reise \u2013 \N{MAN}\u200d\N{GIRL} \u202bשלום" + "x" * 120
    store.db.execute("UPDATE runs SET title = ? WHERE key = ?", (title, key))
    again = await store.saved.bring_in(store.file(await store.lines(key)))
    assert store.rows(again) == store.rows(key)
    assert store.db.one("SELECT title FROM runs WHERE key = ?", (again,))["title"] == title


async def test_what_ran_comes_back_stopped_and_no_secret_leaves(store):
    secret = f"{SECRET}{'0123' * 8}"
    key = store.run([("Key", "", "done", json.dumps({"secret": secret})), ("Job", "", "running", None)],
                    [("running", None, ""), ("done", "1", "")])
    lines = await store.lines(key)
    assert secret not in lines
    again = await store.saved.bring_in(store.file(lines))
    assert store.rows(again)[1][4] == "stopped" and [row[3] for row in store.items(again)] == ["stopped", "done"]
    forged = await store.saved.bring_in(store.file(lines.replace(lines[lines.index("secret-"):][:39], secret)))
    assert secret not in store.rows(forged)[0][6]


async def test_a_file_that_came_without_its_bytes_is_nobodys(store):
    theirs = store.run([("File", "", "done", json.dumps({"file": "0123" * 8}))])
    again = await store.saved.bring_in(store.file(await store.lines(theirs)))
    assert "0123" * 8 not in store.rows(again)[0][6]


# -- files that are not right


STEP = {"label": "Where", "key": "", "slug": "where", "kind": "ask", "state": "done", "value": '"Rome"', "digest": "",
        "position": 1, "answered_at": 1.0, "created_at": 1.0, "was": "done", "again": 0, "version": "", "error": "",
        "log": "", "started_at": None, "by": "person"}
RUN = {"format": 1, "endpoint": "trip", "key": "default-trip-01", "title": "Trip", "named": False, "state": "open",
       "complete": False, "version": "v_1", "created_at": 1.0, "updated_at": 1.0}
ITEM = {"number": 0, "digest": "", "state": "done", "value": "1", "error": ""}
FILE = {"id": "0123" * 8, "name": "a.txt", "size": 2, "sha256": "ab" * 32, "step": "where"}
END = {"end": True}
RIGHT = [{"run": RUN}, {"step": STEP}, END]


def lines_of(*parts) -> str:
    return "[\n" + ",\n".join(part if isinstance(part, str) else json.dumps(part) for part in parts) + "\n]\n"


def step(**other) -> list:
    return [{"run": RUN}, {"step": STEP | other}, END]


def run(**other) -> list:
    return [{"run": RUN | other}, END]


async def test_the_file_the_others_are_made_from_is_right(store):
    key = await store.saved.bring_in(store.file(lines_of(*RIGHT)))
    assert key == "default-trip-01" and store.rows(key)[0][6] == '"Rome"'


BAD = {
    "no end": RIGHT[:-1], "nothing": [], "no run": [{"step": STEP}, END], "two runs": [{"run": RUN}, {"run": RUN}, END],
    "no JSON": ["{", END], "NaN": ['{"run": NaN}', END], "a list": [[1], END], "two in one": [{"run": RUN, "end": 1}],
    "unknown": [{"run": RUN}, {"code": "import os"}, END], "nested": ["[" * 100_000, END],
    "nested value": step(value="[" * 100_000 + "]" * 100_000),
    "value that is read where Python is deep": step(value='{"file":' + "[" * 900 + "]" * 900 + "}"),
    "another format": run(format=2), "a path": run(endpoint="../../etc/passwd"), "reserved": run(endpoint="files"),
    "version path": run(version="../../../tmp/evil"), "title of nothing": run(title="  "),
    "long title": run(title="x" * 999),
    "two lines": run(title="a\nb"), "true as a number": run(created_at=True), "no date": run(created_at=1e300),
    "text for a bool": run(named="yes"), "bad state": run(state="deleted"),
    "no label": step(label=""),
    "half a character": [json.dumps({"run": RUN | {"title": "x"}}).replace('"x"', '"\\ud800"'), END],
    "slug": step(slug="../where"), "html slug": step(slug='"><script>'), "kind": step(kind="shell"),
    "value no JSON": step(value="Rome"), "value of another type": step(value=5), "position": step(position=-1),
    "hidden letters": step(value='{"\\u0066ile": "' + "0123" * 8 + '"}'),
    "step type": [{"run": RUN}, {"step": []}, END],
    "two live steps": [{"run": RUN}, {"step": STEP}, {"step": STEP}, END],
    "an item of nothing": [{"run": RUN}, {"item": ITEM}, END],
    "the same item twice": [{"run": RUN}, {"step": STEP}, *({"item": ITEM | {"number": n}} for n in (0, 1, 0)), END],
    "a file of nothing": [{"run": RUN}, '"AAAA"', END], "lying size": [{"run": RUN}, {"file": FILE}, '"AAAA"', END],
    "no base64": [{"run": RUN}, {"file": FILE}, '"!!!"', END],
    "file id": [{"run": RUN}, {"file": FILE | {"id": "../x"}}, END],
    "a file twice": [{"run": RUN}, {"file": FILE}, {"file": FILE}, END],
    "history": [{"run": RUN}, {"history": {"at": "now", "by": "person", "what": "x", "label": "", "text": ""}}, END],
}


@pytest.mark.parametrize("name", BAD)
async def test_a_file_that_is_not_right_is_refused_in_a_sentence_and_leaves_nothing(store, name):
    with pytest.raises(InvalidAnswer) as refused:
        await store.saved.bring_in(store.file(lines_of(*BAD[name])))
    assert refused.value.message.endswith(".") and len(refused.value.message) < 200 and refused.value.hint
    assert store.db.rows("SELECT 1 FROM runs WHERE deleted = 0") == [] == store.db.rows("SELECT 1 FROM files")
    assert [*store.files.folder.iterdir()] == []


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\xff\xfe" * 5_000, run_file.BEGIN,
                                     run_file.BEGIN + b"\n{}", run_file.BEGIN + b"\n[\n" + b"x" * 5_000_000])
async def test_a_file_that_is_no_saved_run_is_refused_in_a_sentence(store, content):
    path = store.folder / "other.html"
    path.write_bytes(content)
    with pytest.raises(InvalidAnswer, match=r"This file (holds no run|cannot be read)"):
        await store.saved.bring_in(path)


async def test_a_key_that_is_taken_gets_the_next_number(store):
    first = await store.saved.bring_in(store.file(lines_of(*RIGHT)))
    second = await store.saved.bring_in(store.file(lines_of(*RIGHT)))
    assert (first, second) == ("default-trip-01", "default-trip-02")


async def test_others_have_their_turn_while_a_run_of_many_steps_comes_in(store):
    steps = [{"step": {**STEP, "label": f"L{n}", "slug": f"l-{n}"}} for n in range(1_000)]
    path = store.file("[\n" + ",\n".join(json.dumps(part) for part in [{"run": RUN}, *steps, END]) + "\n]\n")
    bringing = asyncio.create_task(store.saved.bring_in(path))
    turns = 0
    while not bringing.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(store.rows(bringing.result())) == 1_000 and turns > 900


def test_a_run_of_more_steps_than_can_be_drawn_is_refused(store, monkeypatch):
    monkeypatch.setattr(run_file, "STEPS_MOST", 3)
    steps = [{"step": {**STEP, "label": f"L{n}"}} for n in range(4)]
    path = store.file("[\n" + ",\n".join(json.dumps(part) for part in [{"run": RUN}, *steps, END]) + "\n]\n")
    with pytest.raises(InvalidAnswer, match="more than 3 steps"):
        run_file.read(path)
