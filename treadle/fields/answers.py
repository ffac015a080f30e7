"""The one way in for answers: from pages, over HTTP, from the command line, in tests."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple

from ..drawing import Step
from ..errors import InvalidAnswer, NotFound
from ..files import File, Files
from ..replay import CHECK_DEADLINE_S, run_check
from ..worker import folder_of, guarded
from .secrets import Secrets
from .spec import SECRET
from .types import FieldSpec, FileId, FormSpec, Secret, references

Answers = dict[str, list[str | FileId]]


class Given(NamedTuple):
    """A checked answer: its JSON as it is stored, its value, and the files it takes, each with the name of its step."""

    stored: str
    value: Any
    files: tuple[tuple[str, str], ...] = ()


def fields_of(step: Step | None) -> dict[str, FieldSpec]:
    """The fields of a question by the names they have in an answer; none of an approval."""
    spec = step.field if step is not None else None
    if isinstance(spec, FormSpec):
        return {f"value.{name}": each for name, each in spec.fields.items()}
    return {"value": spec} if spec is not None else {}


def file_step(step: Step, name: str) -> str:
    """Under which name of a step the file of this field is kept: each field of a form has one of its own."""
    return step.slug + name.removeprefix("value")


def pending(step: Step | None, owner: str, files: Files, secrets: Secrets) -> dict[str, File | Secret]:
    """What came with a refused form and waits for its answer, by the name of its field: files and secrets."""
    found: dict[str, File | Secret | None] = {}
    if step is not None:
        for name, spec in fields_of(step).items():
            if spec.kind == "upload":
                found[name] = files.pending(owner, file_step(step, name))
            elif spec.kind == "secret":
                found[name] = secrets.held(owner, file_step(step, name))
    return {name: each for name, each in found.items() if each is not None}


def hold(step: Step | None, answers: Answers, owner: str, secrets: Secrets) -> None:
    """Hold the secrets of a refused form: a page that shows it again must not send them back."""
    for name, spec in fields_of(step).items():
        text = str((answers.get(name) or [""])[-1])
        if step is not None and spec.kind == "secret" and text.strip():
            secrets.hold(owner, file_step(step, name), text)


def proposals(step: Step) -> dict[str, Any]:
    """What the form of a question begins with, by the names of its fields; of one that is answered, its answer."""
    spec, value = step.field, step.value if step.state == "done" else step.default
    if isinstance(spec, FormSpec):
        return {f"value.{name}": each for name, each in spec.values(value).items()}
    return {"value": value}


async def accept(step: Step, answers: Answers, *, owner: str, files: Files, secrets: Secrets) -> Given:
    """Parse and check an answer. `owner`: to whom the files that came with it belong.

    A file or a secret that was given before is used again when none comes, unless `drop` says otherwise. A text that
    was typed never names a file. Raises `InvalidAnswer`, of a form with `fields`, and an author's `PluginError`.
    """
    if step.approve is not None:
        if (raw := answers.get("value", [])) not in (["yes"], ["no"]):
            raise InvalidAnswer("Say yes or no.", field="value")
        return Given("true" if raw == ["yes"] else "false", raw == ["yes"])
    assert step.field is not None  # the kinds that run are not answered
    sent, opened = _sent(step, answers, owner, files, secrets)
    spec = step.field

    def parse() -> Any:
        if isinstance(spec, FormSpec):
            return spec.parse({name.removeprefix("value."): raw for name, raw in sent.items()},
                              open_file=opened.__getitem__)
        return spec.parse(sent["value"], open_file=opened.__getitem__)

    own = isinstance(spec, FormSpec) or spec.hint is not None  # there may be an author's validator in it
    try:
        value = await guarded(
            parse, folder_of(step.check) or step.file.rpartition("/")[0] + "/", what=f"The checks of {step.label!r}",
            file=step.file, line=step.line, within=CHECK_DEADLINE_S) if own else parse()
        value = await run_check(step, value)
    except InvalidAnswer as error:
        if isinstance(spec, FormSpec) and not error.fields:
            error.fields = {"": error.message}
        raise
    stored = spec.to_json(value, keep=secrets.keep)
    ids = references([stored])
    if any(id.startswith(SECRET) for id in ids):
        await secrets.save()
        if any(isinstance(each, Secret) for each in pending(step, owner, files, secrets).values()):
            hold(step, sent, owner, secrets)  # what was held before is not to come back; the same form may come twice
    taken = tuple((file.id, file_step(step, name)) for name, file in _files(step, value).items() if file.id in ids)
    return Given(stored, value, taken)


def _sent(step: Step, answers: Answers, owner: str, files: Files,
          secrets: Secrets) -> tuple[Answers, dict[str, File]]:
    """What counts as sent, by field, and the files in it."""
    waiting, before = pending(step, owner, files, secrets), proposals(step)
    sent: Answers = {}
    opened: dict[str, File] = {}
    for name, spec in fields_of(step).items():
        raw = list(answers.get(name, []))
        old = waiting.get(name) or before.get(name)
        if name.replace("value", "drop", 1) in answers:
            old = None
        if spec.kind == "upload":
            raw = [id for id in raw if isinstance(id, FileId) and files.belongs(id, owner)]
            if not raw and isinstance(old, File):
                raw = [old.id]
            opened |= {id: files.get(id) for id in raw}
        elif spec.kind == "secret":
            if isinstance(old, Secret) and not any(text.strip() for text in raw):
                raw = [old]
            for text in raw:
                secrets.hide(text)  # before an author's code sees it: what that says of it is told without it
        sent[name] = raw
    return sent, opened


def _files(step: Step, value: Any) -> dict[str, File]:
    if isinstance(step.field, FormSpec):
        values = {f"value.{name}": getattr(value, name, None) for name in step.field.fields}
    else:
        values = {"value": value}
    return {name: each for name, each in values.items() if isinstance(each, File)}


def same(stored: str | None, given: Given, files: Files, secrets: Secrets) -> bool:
    """Whether an answer that is stored says the same: files by what is in them, secrets by what they are."""
    return stored == given.stored or (stored is not None and _contents(stored, files, secrets)
                                      == _contents(given.stored, files, secrets))


def _contents(stored: str, files: Files, secrets: Secrets) -> Any:
    for id in references([stored]):
        with suppress(NotFound):
            content = str(secrets.get(id)) if id.startswith(SECRET) else files.get(id).sha256
            stored = stored.replace(json.dumps(id), json.dumps(content))
    return json.loads(stored)
