"""The files of runs: kept by an answer, waiting after a refusal, and never those of somebody else."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.harness import until
from treadle.errors import InvalidAnswer
from treadle.files import FileId, Files
from treadle.replay import Step
from treadle.runs import Runs, new_owner


async def lists(runs: Runs, key: str) -> dict[str, object]:
    items = (await runs.draw(key)).drawing.items
    return {item.slug: item.value for item in items if isinstance(item, Step) and item.state == "done"}


async def sent(files: Files, data: bytes, *, run: str, name: str = "words.txt", step: str = "list") -> FileId:
    async with files.receive(name, run=run, step=step, max_bytes=1_000) as sink:
        await sink.write(data)
    return sink.file.id


async def test_a_file_is_kept_by_its_answer(runs, files, db):
    id = await sent(files, b"one two", run=new_owner("c1"))
    run = await runs.begin("listing", {"value": [id]}, client_id="c1")
    assert run.title == "List, words.txt"
    row = db.one("SELECT run, step, kept FROM files")
    assert tuple(row) == (run.key, "list", 1)


async def test_the_file_of_a_refused_form_counts_when_none_is_sent_again(runs, files):
    await sent(files, b"", run=new_owner("c1"))
    with pytest.raises(InvalidAnswer, match="empty"):
        await runs.begin("listing", {"value": [next(iter(files.folder.iterdir())).name]}, client_id="c1")
    assert (await runs.draw_new("listing", client_id="c1")).pending["value"].name == "words.txt"
    await sent(files, b"one", run=new_owner("c1"))
    assert (await runs.begin("listing", {}, client_id="c1")).answered == 1


async def test_typed_text_never_names_a_file_and_nor_does_one_of_another_run(runs, files):
    theirs = await sent(files, b"secret", run="default-listing-77")
    for value in (str(theirs), theirs):
        with pytest.raises(InvalidAnswer):
            await runs.begin("listing", {"value": [value]}, client_id="c1")


async def test_a_reverted_file_is_the_default_of_the_next_answer(runs, files):
    id = await sent(files, b"one two", run=new_owner("c1"))
    key = (await runs.begin("listing", {"value": [id]}, client_id="c1")).key
    await runs.revert(key, "list")
    run = await runs.answer(key, "list", {}, rev=(await runs.draw(key)).form_rev)
    assert run.waiting_for == "Kind" and (await lists(runs, key))["list"].id == id


async def test_an_optional_file_can_be_left_out_again(runs, files):
    await sent(files, b"one", run=new_owner("c1"), step="extra")
    key = (await runs.begin("extra", {"drop": ["yes"]}, client_id="c1")).key
    assert await lists(runs, key) == {"extra": None}


async def test_an_answer_whose_file_is_replaced_while_it_is_checked_is_refused_and_the_newer_one_waits(runs, files, db):
    first = await sent(files, b"one", run=new_owner("c1"), step="file")
    beginning = asyncio.create_task(runs.begin("swap", {"value": [first]}, client_id="c1"))
    await until(lambda: any(thread.name == "author" for thread in threading.enumerate()))  # drawn, or checked already
    await runs.draw_new("swap")  # drawn now
    await sent(files, b"two", run=new_owner("c1"), step="file")
    with pytest.raises(InvalidAnswer, match="in place of this one"):
        await beginning
    assert db.rows("SELECT * FROM runs") == []
    assert files.pending(new_owner("c1"), "file").read_text() == "two"
