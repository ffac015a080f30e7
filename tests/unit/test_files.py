"""Uploads: streamed under a random name, counted, kept by an answer or removed."""

from __future__ import annotations

import hashlib
import stat

import pytest

from tests.clock import ManualClock
from treadle.db import Database
from treadle.errors import NotFound, TooLarge
from treadle.files import BUFFER, DAY, Files, clean_name, megabytes


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def files(tmp_path, clock):
    db = Database(":memory:")
    folder = tmp_path / "files"
    folder.mkdir()
    yield Files(folder, db, clock)
    db.close()


async def send(files: Files, *chunks: bytes, run: str = "r", name: str = "a.txt", max_bytes: int = 3 * BUFFER):
    async with files.receive(name, run=run, step="s", max_bytes=max_bytes) as sink:
        for chunk in chunks:
            await sink.write(chunk)
    return sink.file


async def test_a_file_is_what_was_sent_whatever_the_chunks(files):
    chunks = [b"x" * (BUFFER - 1), b"yz", b"", b"w" * BUFFER]
    file = await send(files, *chunks)
    assert file.path.read_bytes() == b"".join(chunks) and file.size == 2 * BUFFER + 1
    assert file.sha256 == hashlib.sha256(b"".join(chunks)).hexdigest()
    assert files.get(file.id) == file


async def test_a_file_is_private_and_its_name_is_no_name_on_the_disk(files):
    file = await send(files, b"x", name="../../etc/passwd")
    assert file.name == "passwd" and file.path.parent == files.folder and file.path.name == file.id
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


async def test_a_file_over_the_limit_leaves_nothing(files):
    with pytest.raises(TooLarge, match="over the limit of 1 kB"):
        await send(files, b"x" * 600, b"x" * 600, max_bytes=1_000)
    assert list(files.folder.iterdir()) == [] and files.pending("r", "s") is None


async def test_an_upload_cut_off_leaves_nothing(files):
    with pytest.raises(ConnectionError):
        async with files.receive("a", run="r", step="s", max_bytes=BUFFER) as sink:
            await sink.write(b"x" * BUFFER)
            raise ConnectionError
    assert list(files.folder.iterdir()) == []


async def test_the_next_file_of_a_refused_form_replaces_it(files):
    first, second = await send(files, b"1"), await send(files, b"2")
    assert files.pending("r", "s") == second
    with pytest.raises(NotFound):
        files.get(first.id)
    assert [path.name for path in files.folder.iterdir()] == [second.id]


async def test_a_file_an_answer_took_is_not_replaced(files):
    first = await send(files, b"1")
    files.keep(first.id, run="r", step="s")
    await send(files, b"2")
    assert files.get(first.id).read_text() == "1"


async def test_what_no_answer_took_goes_after_a_day(files, clock):
    taken, left = await send(files, b"1", run="one"), await send(files, b"2", run="two")
    files.keep(taken.id, run="one", step="s")
    await clock.advance(DAY - 1)
    files.sweep()
    assert files.pending("two", "s") == left
    await clock.advance(2)
    files.sweep()
    assert files.pending("two", "s") is None and [path.name for path in files.folder.iterdir()] == [taken.id]


async def test_a_wall_clock_that_jumps_a_day_removes_nothing(files, clock):
    waiting = await send(files, b"1", run="one")
    clock.jump(2 * DAY)
    files.sweep()
    await send(files, b"2", run="two")
    assert files.pending("one", "s") == waiting
    clock.jump(-9 * DAY)
    await clock.advance(DAY + 1)
    files.sweep()
    assert files.pending("one", "s") is None


async def test_a_start_removes_what_a_kill_left_half_written(files):
    kept = await send(files, b"1")
    (files.folder / f"{'0123' * 8}.partial").write_bytes(b"half")
    files.recover()
    assert [path.name for path in files.folder.iterdir()] == [kept.id]


async def test_progress_is_told_while_an_upload_is_on_its_way(files, clock):
    async with files.receive("a.txt", run="r", step="s", max_bytes=BUFFER, watch="w", total=100) as sink:
        await sink.write(b"x" * 40)
        await clock.advance(4)
        arriving = files.arriving("w")
    assert (arriving.name, arriving.received, arriving.total, arriving.seconds) == ("a.txt", 40, 100, 4)
    assert files.arriving("w") is None


@pytest.mark.parametrize("id", ["", "..", "../treadle.db", "%2e%2e", "a/b", "\0", "nothing"])
def test_only_ids_that_were_given_out_are_found(files, id):
    with pytest.raises(NotFound):
        files.get(id)


@pytest.mark.parametrize(("sent", "shown"), [
    ("keywords spring.csv", "keywords spring.csv"), ("C:\\Users\\x\\a.csv", "a.csv"), ("../../x", "x"), ("", "file"),
    ("a\r\nSet-Cookie: x", "aSet-Cookie: x"), ("a\0b", "ab"), ("\u202egpj.exe", "gpj.exe"), ("...", "file"),
    ("cafe\u0301.txt", "caf\u00e9.txt"), ("x" * 5_000 + ".csv", "x" * 116 + ".csv"), ("CON", "CON"),
])
def test_a_name_is_shown_without_folders_and_invisible_characters(sent, shown):
    assert clean_name(sent) == shown


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
async def test_text_is_read_whatever_its_encoding(files, encoding):
    file = await send(files, "Zürich – 3 €\r\nÉcole".encode(encoding))
    assert file.read_text() == "Zürich – 3 €\nÉcole"


async def test_a_mark_that_the_rest_does_not_keep_decides_nothing(files):
    assert (await send(files, b"\xff\xfea")).read_text() == "ÿþa"


async def test_bytes_no_encoding_fits_are_still_read(files):
    file = await send(files, b"a\x81\xff")
    assert file.read_text() == "a\x81\xff"
    with file.open("rb") as raw:
        assert raw.read() == b"a\x81\xff"


async def test_a_file_is_opened_for_reading_only(files):
    with pytest.raises(ValueError, match="opened with"):
        (await send(files, b"x")).open("w")


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (48_000, "48 kB"),
                                            (1_240_000, "1.2 MB"), (42_000_000, "42 MB")])
def test_sizes_are_told_as_a_person_reads_them(size, text):
    assert megabytes(size) == text
