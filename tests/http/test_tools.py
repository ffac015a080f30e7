"""What the model may call: schemas, the dispatcher, and what of it is offered in the chat."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.fakes import Gate, Script
from tests.harness import until
from tests.replying import ended
from tests.trips import plugins_at
from treadle.conversation import FIRST, Place

PLUGIN = '''
from treadle import LongText, Secret, tool, workflow

@tool
def shout(text: LongText, times: int = 1) -> str:
    """Say it loudly."""
    return text.upper() * times

@workflow("Keyring", message="m")
async def keyring(ui):
    key = await ui.ask("Key", Secret)
    await ui.ask("Note", str)
'''


@pytest.fixture
def settings(settings, tmp_path):
    folder = plugins_at(tmp_path / "plugins")
    (folder / "700_shout.py").write_text(PLUGIN)
    return replace(settings, plugins=folder)


async def ask(core, fake, *scripts, run=""):
    """The reply to a question, for which the model answers with these scripts, one after the other."""
    await until(lambda: core.llm.status.ready)
    fake.next(*scripts)
    reply = await core.replies.send(FIRST, "Look.", client_id=f"c{len(fake.chats)}", place=Place("trip", run))
    return await ended(core, reply)


def calls(*named):
    return Script(n=0, tools=tuple({"name": name, "arguments": arguments} for name, arguments in named))


async def test_only_what_reads_is_offered_in_the_chat(core, ollama):
    await ask(core, ollama, Script(text="Yes."))
    offered = [each["function"]["name"] for each in ollama.chats[0].body["tools"]]
    assert offered == ["list_workflows", "list_runs", "read_run"]


async def test_the_model_looks_up_and_goes_on_with_what_it_found(core, ollama):
    run = await core.runs.begin("trip", {"value": ["Rome"]})
    reply = await ask(core, ollama, calls(("read_run", {"run": run.key}), ("list_workflows", {})),
                      Script(text="You go to Rome."))
    assert (reply.state, reply.text) == ("done", "You go to Rome.")
    asked, found, listed = ollama.chats[1].body["messages"][-3:]
    assert asked["tool_calls"][0]["function"] == {"name": "read_run", "arguments": {"run": run.key}}
    assert found["role"] == "tool" and found["tool_name"] == "read_run" and "Where: Rome" in found["content"]
    assert "Trip (/trip)" in listed["content"]
    assert [said for said, _ in json.loads(reply.tools)] == ["Read Trip, Rome", "Listed the workflows"]


async def test_what_it_says_before_it_looks_is_a_paragraph_of_its_own(core, ollama):
    look = Script(text="Let me look.", tools=({"name": "list_runs", "arguments": {}},))
    assert (await ask(core, ollama, look, Script(text="None."))).text == "Let me look.\n\nNone."
    assert ollama.chats[1].body["messages"][-2]["content"] == "Let me look."


async def test_a_model_that_goes_away_in_between_is_asked_anew(core, ollama):
    await until(lambda: core.llm.status.ready)
    gate = Gate()
    ollama.next(calls(("list_runs", {})), Script(text="Later.", gate=gate, die=0))
    reply = await core.replies.send(FIRST, "Look.", client_id="away", place=Place())
    await until(lambda: len(ollama.chats) == 2)
    gate.open()
    reply = await ended(core, reply)
    assert (reply.state, [said for said, _ in json.loads(reply.tools)]) == ("failed", ["Listed the runs"])
    again = await ended(core, await core.replies.retry(reply.id))
    assert again.state == "done" and again.tools == "", "what is asked again is looked up again, if at all"


async def test_what_was_looked_up_is_shown_above_the_reply(client, core, ollama):
    await ask(core, ollama, calls(("list_runs", {})), Script(text="None."))
    page = (await client.get("/")).text
    assert '<p class="tool" id="m2-tool1">' in page and "Listed the runs" in page and "0.0 s" not in page
    assert page.index("Listed the runs") < page.index("None.")


async def test_without_a_key_the_open_run_is_read(core, ollama):
    run = await core.runs.begin("trip", {"value": ["Oslo"]})
    await ask(core, ollama, calls(("read_run", {})), Script(text="Oslo."), run=run.key)
    assert "Where: Oslo" in ollama.chats[1].body["messages"][-1]["content"]


@pytest.mark.parametrize("name,arguments", [
    ("start_run", {"workflow": "trip", "answer": "Rome"}), ("answer_step", {"run": "default-trip-01", "answer": 3}),
    ("shout", {"text": "a"}), ("rm -rf", {}), ("", {}), ("read_run", {"run": "default-nothing-01"})])
async def test_nothing_else_is_done_whatever_the_model_asks_for(core, ollama, name, arguments):
    run = await core.runs.begin("trip", {"value": ["Rome"]})
    before = core.db.one("SELECT count(*) AS n FROM history")["n"]
    reply = await ask(core, ollama, calls((name, arguments)), Script(text="Well."))
    assert reply.text == "Well." and core.runs.get(run.key).waiting_for == "Days"
    assert core.db.one("SELECT count(*) AS n FROM history")["n"] == before and len(core.runs.list()) == 1
    told = ollama.chats[1].body["messages"][-1]["content"]
    assert told.startswith(("There is no tool", "This was refused: There is no run"))


async def test_a_model_that_always_calls_comes_to_an_end(core, ollama):
    reply = await ask(core, ollama, *[calls(*[("list_runs", {})] * 50)] * 9)
    assert reply.state == "done" and reply.note == "The model sent no text." and len(ollama.chats) == 4
    assert "tools" not in ollama.chats[-1].body and len(json.loads(reply.tools)) == 12


async def test_a_model_that_knows_no_tools_is_asked_without_them(core, ollama):
    refusal = Script(status=400, error='registry.ollama.ai/library/qwen3:8b does not support tools')
    assert (await ask(core, ollama, refusal, Script(text="Hello."))).text == "Hello."
    assert (await ask(core, ollama, Script(text="Again."))).text == "Again."
    assert ["tools" in chat.body for chat in ollama.chats] == [True, False, False]


@pytest.mark.parametrize("sent", ["x", [1], [{"function": {"name": 1}}], [{}], {"function": {}},
                                  [{"function": {"name": "x", "arguments": "y"}}]])
async def test_calls_that_are_none_end_no_reply(core, ollama, sent):
    from treadle.llm.wire import piece

    assert all(call.arguments == {} for call in piece({"message": {"content": "a", "tool_calls": sent}}).calls)


async def test_what_is_looked_up_fits_into_the_window(core, ollama):
    from treadle.context import BUDGET

    for number in range(8):
        await ask(core, ollama, Script(text=f"w{number} " * 1_200))
    for _ in range(100):
        await core.runs.begin("trip", {"value": ["Rome " * 4]})
    await ask(core, ollama, calls(*[("list_runs", {})] * 4), Script(text="Many."))
    sent = ollama.chats[-1].body["messages"]
    assert sum(len(turn["content"].encode()) for turn in sent) <= BUDGET and sent[0]["role"] == "system"
    assert [turn["role"] for turn in sent[-6:]] == ["user", "assistant", "tool", "tool", "tool", "tool"]


# what is not offered: the dispatcher itself

async def act(core, name, **given):
    return await core.tools.call(name, given, Place(), reading=False)


async def test_every_tool_has_a_schema_the_functions_of_plugins_too(core):
    named = {each["function"]["name"]: each["function"]["parameters"] for each in await core.tools.all()}
    assert set(named) == {"list_workflows", "list_runs", "read_run", "start_run", "answer_step", "shout"}
    assert all(each["type"] == "object" for each in named.values())
    assert named["shout"]["properties"]["times"]["type"] == "integer" and named["shout"]["required"] == ["text"]
    json.dumps(named)


async def test_a_run_is_begun_and_answered_by_the_model_through_the_same_commands(core):
    begun = await act(core, "start_run", workflow="trip", answer="Rome")
    assert begun.said == "Start run: Trip, Rome" and "It asks for Days" in begun.text
    refused = await act(core, "answer_step", run="default-trip-01", answer=31)
    assert refused.text == "This was refused: At most 30 days."
    assert "It asks for Go" in (await act(core, "answer_step", run="default-trip-01", answer=3, step="Days")).text
    await act(core, "answer_step", run="default-trip-01", answer=False)
    assert core.runs.get("default-trip-01").complete
    told = core.db.rows("SELECT by, what, label FROM history WHERE run = 'default-trip-01' ORDER BY id")
    assert {row["by"] for row in told} == {"model"} and [row["label"] for row in told][-1] == "Go"


async def test_a_function_of_a_plugin_is_called_as_a_run(core):
    assert "HIHI" in (await act(core, "shout", text="hi", times=2)).text
    assert (await act(core, "shout", times="many")).text.startswith("This was refused")


async def test_a_secret_never_reaches_the_model(core):
    await act(core, "start_run", workflow="keyring", answer="hunter2-secret")
    run = core.runs.list("keyring")[0].key
    for text in ((await act(core, "read_run", run=run)).text, await core.runs.facts(run),
                 json.dumps(await core.commands.read(run))):
        assert "hunter2" not in text and "Key" in text


async def test_a_model_that_may_act_plays_a_workflow_with_what_the_tools_tell_it(core, ollama):
    """As a chat that offers them all will do it: ask, call, tell, ask again."""
    await until(lambda: core.llm.status.ready)
    key = "default-trip-01"
    ollama.next(calls(("start_run", {"workflow": "trip", "answer": "Rome"})),
                *(calls(("answer_step", {"run": key, "answer": value})) for value in ("3", True, None)),
                Script(text="Booked."))
    turns, said = [{"role": "user", "content": "Book Rome, three days."}], ""
    while not said:
        async for piece in core.llm.chat(turns, model="qwen3:8b", tools=await core.tools.all()):
            said += piece.text
            for call in piece.calls:
                found = await core.tools.call(call.name, call.arguments, Place(), reading=False)
                turns.append({"role": "tool", "tool_name": call.name, "content": found.text})
    assert said == "Booked." and core.runs.get(key).complete
    asked = [turn["content"].rpartition("It asks for ")[2].split(",")[0] for turn in turns[1:4]]
    assert asked == ["Days", "Go", "Note"]
    assert len(ollama.chats[0].body["tools"]) == 6


@pytest.mark.parametrize("name,arguments", [
    ("read_run", {"run": "\ud800"}), ("list_runs", {"workflow": "\ud800"}), ("\ud800", {}),
    ("read_run", {"run": ["a"]}), ("list_workflows", {"\ud800": 1}),
    ("list_runs", {"workflow": float("nan")}), ("x\0", {"a": "b" * 500_000}),
    ("read_run", {"run": json.loads("[" * 300 + "]" * 300)})])
async def test_arguments_made_to_harm_end_no_reply(core, ollama, name, arguments):
    reply = await ask(core, ollama, calls((name, arguments)), Script(text="Well."))
    assert (reply.state, reply.text) == ("done", "Well.")
