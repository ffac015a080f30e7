"""A step that the model answers, with the fake model on a real socket."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.fakes import Script
from tests.harness import until
from tests.working import Fleet


@dataclass
class Outline:
    title: str
    points: list[str]


GOOD = json.dumps({"title": "Tea", "points": ["green", "black"]})


@pytest.fixture
async def fleet(ollama, core):
    fleet = Fleet(core.jobs, core.db)

    async def messages(run, prompt):
        return [{"role": "system", "content": f"Facts of {run}"}, {"role": "user", "content": prompt}]

    core.jobs.messages = messages
    await until(lambda: core.llm.status.ready)
    return fleet


async def ended(fleet, id, state="done"):
    row = await until(lambda: fleet.row(id) if fleet.row(id)["state"] != "running" else None)
    assert row["state"] == state, row["error"]
    return row


async def test_the_answer_is_stored_and_the_model_was_told_the_facts(fleet, ollama):
    ollama.script = Script(text="A sentence about tea.")
    row = await ended(fleet, fleet.llm("Write about tea"))
    assert json.loads(row["value"]) == "A sentence about tea."
    [chat] = ollama.chats
    assert [turn["content"] for turn in chat.body["messages"]] == ["Facts of default-test-01", "Write about tea"]
    assert "format" not in chat.body


async def test_with_a_schema_it_is_checked_data(fleet, ollama):
    ollama.script = Script(text=GOOD)
    row = await ended(fleet, fleet.llm("Outline", Outline))
    assert json.loads(row["value"]) == {"title": "Tea", "points": ["green", "black"]}
    assert ollama.chats[0].body["format"]["required"] == ["title", "points"]


async def test_what_does_not_fit_is_asked_for_once_more_with_the_reason(fleet, ollama):
    ollama.next(Script(text='{"title": "Tea"}'), Script(text=GOOD))
    row = await ended(fleet, fleet.llm("Outline", Outline))
    assert json.loads(row["value"])["points"] == ["green", "black"] and "points: Field required" in row["log"]
    turns = ollama.chats[1].body["messages"]
    assert turns[-2] == {"role": "assistant", "content": '{"title": "Tea"}'} and "points: Field required" in (
        turns[-1]["content"])


async def test_what_does_not_fit_twice_has_failed_and_may_be_tried_again(fleet, ollama):
    ollama.next(Script(text="Tea is good."), Script(text="Tea is very good."))
    row = await ended(fleet, id := fleet.llm("Outline", Outline), "failed")
    assert "does not fit" in row["error"] and row["details"] == "Tea is very good."
    ollama.script = Script(text=GOOD)
    await fleet.jobs.go_on(fleet.run, "work")
    await ended(fleet, id)


async def test_it_waits_while_there_is_no_model(fleet, ollama, core, clock):
    ollama.script = Script(text="Now.")
    ollama.stop()
    id = fleet.llm("Write")
    await until(lambda: fleet.jobs.live(id) is not None and fleet.jobs.live(id).waits == "Waiting for a model")
    assert fleet.row(id)["state"] == "running"
    ollama.start()

    async def ready():
        await clock.advance(1)
        return core.llm.status.ready

    await until(ready)
    assert json.loads((await ended(fleet, id))["value"]) == "Now."


async def test_stop_closes_the_connection_to_the_model(fleet, ollama):
    ollama.script = Script(n=10_000, tps=20)
    id = fleet.llm("Write")
    await until(lambda: "characters" in fleet.jobs.live(id).text)
    await fleet.jobs.stop(fleet.run, "work")
    assert fleet.row(id)["state"] == "stopped"
    await ollama.until(lambda: ollama.chats[0].client_gone)


async def test_a_model_that_dies_in_the_middle_fails_the_step(fleet, ollama):
    ollama.script = Script(n=50, die=5)
    assert "model" in (await ended(fleet, fleet.llm("Write"), "failed"))["error"]
