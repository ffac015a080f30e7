"""Secrets: in a file of their own, whole after a kill, in no row and no line of the log, and gone with their run."""

from __future__ import annotations

import json
import stat

import pytest

from treadle import logs
from treadle.drawing import Step
from treadle.errors import InvalidAnswer, NotFound, StartError, StorageError
from treadle.fields.answers import accept, hold, pending, same
from treadle.fields.secrets import GONE, Secrets
from treadle.fields.types import Secret, field, form


def asking(spec, *, default=None, check=None) -> Step:
    return Step("Key", "", "key", "ask", 1, "open", spec, None, default=default, check=check, file=__file__, line=1)


async def test_a_secret_is_kept_for_its_owner_alone_and_found_after_a_restart(tmp_path):
    secrets = Secrets(tmp_path / "secrets.json")
    id = secrets.keep("hunter2")
    await secrets.save()
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]
    again = Secrets(tmp_path / "secrets.json").get(id)
    assert again == "hunter2" and isinstance(again, Secret)
    with pytest.raises(NotFound):
        secrets.get("secret-0")


async def test_a_row_holds_the_id_and_the_log_never_the_secret(tmp_path, files, secrets):
    given = await accept(asking(field("Key", Secret)), {"value": ["hunter2!"]}, owner="r", files=files, secrets=secrets)
    assert "hunter2" not in given.stored and given.value == "hunter2!"
    assert json.loads((tmp_path / "secrets.json").read_text()) == {json.loads(given.stored)["secret"]: "hunter2!"}
    assert "hunter2" not in logs._clean("the key was hunter2!")
    assert secrets.redact("key=hunter2!; done") == f"key={GONE}; done"


async def test_an_empty_field_keeps_the_secret_that_is_there(files, secrets):
    spec = field("Key", Secret | None)
    step = asking(spec, default=Secret("old one"))
    assert (await accept(step, {"value": [""]}, owner="r", files=files, secrets=secrets)).value == "old one"
    assert (await accept(step, {"value": ["new"]}, owner="r", files=files, secrets=secrets)).value == "new"
    left = await accept(step, {"value": [""], "drop": ["yes"]}, owner="r", files=files, secrets=secrets)
    assert left.value is None and left.stored == "null"
    with pytest.raises(InvalidAnswer, match="empty"):
        await accept(asking(field("Key", Secret)), {}, owner="r", files=files, secrets=secrets)


async def test_the_secret_of_a_refused_form_counts_until_another_is_given(files, secrets):
    step = asking(field("Key", Secret))
    hold(step, {"value": ["first"]}, "r", secrets)
    assert pending(step, "r", files, secrets) == {"value": "first"} and pending(step, "other", files, secrets) == {}
    assert (await accept(step, {}, owner="r", files=files, secrets=secrets)).value == "first"
    await accept(step, {"value": ["second"]}, owner="r", files=files, secrets=secrets)
    assert pending(step, "r", files, secrets) == {"value": "second"}  # the first does not come back


async def test_secrets_of_runs_that_are_gone_are_forgotten_and_those_on_their_way_stay(tmp_path, secrets):
    kept, gone = secrets.keep("one"), secrets.keep("two")
    await secrets.sweep([json.dumps({"secret": kept})])
    await secrets.save()
    assert secrets.get(kept) == "one" and secrets.get(gone) == "two"  # its row may not be written yet
    later = Secrets(tmp_path / "secrets.json")
    await later.sweep([None, json.dumps({"form": {"key": {"secret": kept}}}), '{"json": {"secret": "x"}}'])
    assert json.loads((tmp_path / "secrets.json").read_text()) == {kept: "one"}


async def test_the_same_secret_sent_twice_is_the_same_answer(files, secrets):
    step = asking(field("Key", Secret))
    first = await accept(step, {"value": ["hunter2"]}, owner="r", files=files, secrets=secrets)
    second = await accept(step, {"value": ["hunter2"]}, owner="r", files=files, secrets=secrets)
    third = await accept(step, {"value": ["hunter3"]}, owner="r", files=files, secrets=secrets)
    assert first.stored != second.stored and same(first.stored, second, files, secrets)
    assert not same(first.stored, third, files, secrets)


async def test_a_disk_that_refuses_is_said_and_a_damaged_file_keeps_the_server_from_starting(tmp_path):
    secrets = Secrets(tmp_path / "no such folder" / "secrets.json")
    secrets.keep("x")
    with pytest.raises(StorageError, match="refused to keep a secret"):
        await secrets.save()
    (tmp_path / "secrets.json").write_text('{"half')
    with pytest.raises(StartError, match="cannot be read"):
        Secrets(tmp_path / "secrets.json")


async def test_the_validators_of_a_form_are_ended_after_their_time(files, secrets, monkeypatch):
    from treadle.errors import PluginError
    from treadle.fields import answers

    monkeypatch.setattr(answers, "CHECK_DEADLINE_S", 0.05)
    with pytest.raises(PluginError, match=r"The checks of 'Key' took longer than 0\.05 s"):
        await accept(asking(form("Key", endless())), {"value.x": ["1"]}, owner="r", files=files, secrets=secrets)


def endless():
    from dataclasses import dataclass

    @dataclass
    class Endless:
        x: int

        def __post_init__(self):
            while True:
                pass

    return Endless


async def test_what_a_check_of_a_whole_form_says_belongs_to_the_form(files, secrets):
    from dataclasses import dataclass

    @dataclass
    class Pair:
        a: int

    def no(pair):
        raise ValueError("Not this pair.")

    with pytest.raises(InvalidAnswer) as caught:
        await accept(asking(form("Key", Pair), check=no), {"value.a": ["1"]}, owner="r", files=files, secrets=secrets)
    assert caught.value.fields == {"": "Not this pair."}
