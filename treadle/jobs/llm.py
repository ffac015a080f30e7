"""A step that the model answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from ..errors import ModelError, OllamaDown
from ..llm import Llm
from ..text import one_line, storable
from .progress import Said
from .results import LIMIT, Result, adapter

WAITS = "Waiting for a model"
WRITES = "The model writes: {} characters"
AGAIN = "That does not fit: {}. Answer again, with JSON that fits the schema and nothing else."
MISFIT = "The model's answer does not fit what the step asks for: {}"
Messages = list[dict[str, str]]


async def answer(llm: Llm, messages: Callable[[], Awaitable[Messages]], schema: Any, said: Said) -> Result:
    """The model's answer, text or data that fits `schema`; asked a second time when the first does not fit.

    Waits for as long as there is no model. Cancelling closes the connection to it. Raises `ModelError`.
    """
    check = adapter(schema) if schema is not None else None
    shape = check.json_schema() if check is not None else None
    turns: Messages = []
    for last in (False, True):
        text = await _text(llm, messages, turns, shape, said)
        if check is None:
            return Result("done", json.dumps(text, ensure_ascii=False))
        try:
            return Result("done", json.dumps(check.dump_python(check.validate_json(text), mode="json"),
                                             ensure_ascii=False, allow_nan=False))
        except ValueError as error:
            problem = _problem(error)
            if last:
                return Result("failed", error=MISFIT.format(problem), details=text)
            said.say(MISFIT.format(problem))
            turns = [{"role": "assistant", "content": text}, {"role": "user", "content": AGAIN.format(problem)}]
    raise AssertionError("unreachable")


async def _text(llm: Llm, messages: Callable[[], Awaitable[Messages]], turns: Messages, shape: Any,
                said: Said) -> str:
    while True:
        if not llm.status.ready:
            said.waits = WAITS
            await llm.wait_ready()
            said.waits = ""
        text = said.written = ""
        try:
            sent = await messages() + turns
            async with aclosing(llm.chat(sent, model=llm.status.chosen, format=shape)) as pieces:
                async for piece in pieces:
                    text += piece.text
                    said.written = text
                    said.text = WRITES.format(len(text))
                    if len(text) > LIMIT:
                        raise ModelError("The model's answer is over the limit of 1 MB.")
        except OllamaDown:
            continue
        if not text.strip():
            raise ModelError("The model sent no text.")
        return storable(text)


def _problem(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return one_line(str(error), 200)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the answer'}: {each['msg']}"
                     for each in errors(include_url=False)[:5])

