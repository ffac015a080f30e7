"""What a job may return, and how it is kept."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from tests import working
from treadle.calls import reader, shape
from treadle.files import File, FileId
from treadle.jobs.calls import call
from treadle.jobs.progress import LINE_LENGTH, LINES, Progress, Said, Stopped
from treadle.jobs.results import Unstorable, encode, read_frame


class Colour(Enum):
    RED = "red"


@dataclass
class Link:
    url: str
    seen: date
    colour: Colour = Colour.RED


@dataclass
class Row:
    share: float | None


def returns(hint: Any):
    def fn():
        """Returns it."""

    fn.__annotations__ = {"return": hint}
    return fn


def back(value: Any, hint: Any = Any) -> Any:
    """What `await` gives."""
    fn = returns(hint)
    result = encode(value, fn)
    assert result.data is None and result.rows is None
    return reader(shape(fn).returns, lambda id: id)(result.value)


@pytest.mark.parametrize(("value", "hint"), [
    (Link("/", date(2026, 11, 1)), Link), ([Link("/", date(2026, 11, 1))], list[Link]), (Colour.RED, Colour),
    (date(2026, 11, 1), date), ((1, "a"), tuple[int, str]), ({1: "a"}, dict[int, str]), (None, None),
    (None, str | None),
    ({"a": [1, 2.5, True, None, "ü"]}, Any), ([], list), (Path("/a"), Path), ({"a"}, set[str]), (1.5, float),
])
def test_what_is_annotated_comes_back_as_such(value, hint):
    assert back(value, hint) == value


def test_without_an_annotation_it_comes_back_as_json_has_it():
    assert back((1, (2,))) == [1, [2]]
    assert back({1: "a"}) == {"1": "a"}


@pytest.mark.parametrize(("value", "hint", "words"), [
    ({1}, Any, ["set {1}", "Return a list"]),
    (date(2026, 11, 1), Any, ["date datetime.date(2026, 11, 1)", "annotation of fn"]),
    ([{"a": Link("/", date(2026, 11, 1))}], Any, ["Link", "annotation"]),
    ({"a": b"1"}, Any, ["bytes b'1'", "alone"]),
    ({(1, 2): 3}, Any, ["dict {(1, 2): 3}"]),
    ([1, "x"], list[int], ["str 'x' at [1]", "list[int]"]),
    (object(), Any, ["object"]), ([1, math.nan], Any, ["[1, nan]", "None"]), (-math.inf, float, ["-inf", "None"]),
    ({"a": math.nan}, dict, ["{'a': nan}", "None"]), ([Row(math.nan)], list[Row], ["nan", "None"]),
    ("x" * 1_000_001, Any, ["1 MB", "bytes"]),
])
def test_what_cannot_be_stored_is_named_with_what_to_return(value, hint, words):
    with pytest.raises(Unstorable) as refused:
        encode(value, returns(hint))
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_what_contains_itself_or_cannot_be_written_down_is_refused():
    deep: list[Any] = []
    deep.append(deep)

    class Odd:
        def __repr__(self) -> str:
            raise ValueError

    for value in (deep, Odd(), [Odd()]):
        with pytest.raises(Unstorable):
            encode(value, returns(Any))


def test_a_long_list_is_kept_by_row():
    result = encode(working.many(20_000), working.many)
    assert len(result.rows) == 20_000 and json.loads(result.rows[7])["number"] == 7
    with pytest.raises(Unstorable):
        encode(["x" * 1_000_001, "y"], returns(Any))


def test_bytes_pictures_figures_and_frames_become_files():
    assert encode(working.as_bytes("x"), working.as_bytes)[3:5] == (b"\x89PNGx", "png")
    assert encode(b"abc", working.as_bytes).ending == "bin"


def test_a_file_of_the_run_stays_one():
    file = File(FileId("0" * 32), "a.csv", 1, "s", Path("/nowhere"))
    assert json.loads(encode(file, returns(File)).value) == {"file": "0" * 32}


def test_a_figure_becomes_a_picture():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    figure.subplots().plot([1, 2])
    result = encode(figure, returns(Any))
    assert result.ending == "png" and result.data.startswith(b"\x89PNG")


def test_a_frame_goes_to_a_file_and_comes_back_to_a_parameter_annotated_as_one(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"url": ["/", "007"], "n": [1, 2], "at": pandas.to_datetime(["2026-11-01", "2026-11-02"])})
    result = encode(frame, returns(pandas.DataFrame))
    path = tmp_path / "kept"
    path.write_bytes(result.data)
    file = File(FileId("0" * 32), f"frame.{result.ending}", len(result.data), "s", path)
    pandas.testing.assert_frame_equal(read_frame(file, "pandas"), frame, check_dtype=False)

    def rows(frame: pandas.DataFrame) -> int:
        return len(frame)

    rows.__annotations__ = {"frame": pandas.DataFrame, "return": int}
    assert call(rows, (file,), Said(), bool).value == "2"

    def columns(frame: pandas.DataFrame) -> int:
        return len(frame.columns)

    for name in ("pandas.DataFrame", "pd.DataFrame"):  # what only type checkers import stays a text
        columns.__annotations__ = {"frame": name}
        shape.cache_clear()
        assert call(columns, (file,), Said(), bool).value == "3"


def test_a_table_a_person_sent_is_a_frame_too(tmp_path):
    pytest.importorskip("pandas")
    path = tmp_path / "sent"
    path.write_bytes("stadt;n\nKöln;1\n".encode("cp1252"))
    frame = read_frame(File(FileId("0" * 32), "sent.csv", 1, "s", path), "pandas")
    assert frame.to_dict("records") == [{"stadt": "Köln", "n": 1}]


# --- what is said

def test_progress_raises_stopped_past_any_except_exception():
    over = []
    progress = Progress(Said(), lambda: bool(over))
    progress(1, 2)
    over.append(1)
    with pytest.raises(Stopped):
        try:
            progress(2)
        except Exception:  # noqa: BLE001 - as an author writes it
            raise AssertionError from None


def test_progress_by_hand_takes_everything():
    Progress()(1, 2, "text")


def test_a_log_holds_its_last_lines_and_no_long_ones():
    said = Said("before\n")
    for n in range(1_000):
        said.write(f"{n}\n")
    said.write("x" * 10_000)
    said.write("\n10 %\r20 %\n\udc80\n")
    assert len(said.log) == LINES and said.log[0] == "803"
    assert list(said.log)[-3:] == ["x" * LINE_LENGTH, "20 %", "\ufffd"]


def test_to_a_cluster_the_bytes_of_a_file_travel_along(tmp_path, monkeypatch):
    cloudpickle = pytest.importorskip("cloudpickle")
    from treadle.jobs.cluster import packed

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "here").write_text("words")
    file = File(FileId("0" * 32), "words.txt", 5, "5ha", tmp_path / "here")
    fn, (there,) = cloudpickle.loads(packed(lambda file: file.read_text(), (file,)))
    (tmp_path / "here").unlink()
    assert fn(there) == "words" and there.name == "words.txt"


def test_a_function_that_takes_the_file_for_its_frame_is_told_what_to_write():
    def rows(frame):
        return frame.groupby("url")

    def first(frame):
        return frame["url"]

    file = File(FileId("0" * 32), "found.parquet", 1, "s", Path("/nowhere"))
    for fn in (rows, first):
        error = call(fn, [file], Said(), lambda: False).error
        assert "annotate its parameter, such as `rows: pandas.DataFrame`" in error, error
