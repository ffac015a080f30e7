"""The one reader of answers: it streams uploads to the disk and counts while it reads. Nothing is spooled in memory.

FastHTML would read a form before its handler runs, so the routes that take answers are plain Starlette routes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import Request

from ..errors import Refused, TooLarge
from ..fields.parse import refused
from ..files import Files, Sink, clean_name, megabytes
from ..runs import Answers

FIELDS_MOST = 2_000  # of a form; each box of a list that is ticked is one
DRAINED_MOST = 1_000_000_000  # bytes read and dropped after a refusal: a browser hears no answer while it still sends


class Takes(NamedTuple):
    """A field that takes a file: under which name of its step it is kept, its limit in bytes, the endings it accepts.

    `watch`: the id by which its progress is asked for.
    """

    step: str
    max_bytes: int
    accept: tuple[str, ...] = ()
    watch: str = ""


@dataclass(frozen=True, slots=True)
class Taking:
    """The fields that take files, by name. `owner` is given the fields before a file, and says to whom it will belong.

    `problems`: the files that were not kept, each with why; everything else of the form is read all the same.
    """

    owner: Callable[[Answers], str]
    fields: Mapping[str, Takes]
    problems: dict[str, Refused] = field(default_factory=dict)


async def read_answers(request: Request, files: Files, *, max_body: int, taking: Taking | None = None) -> Answers:
    """The fields of a form; an upload as the `FileId` of what was stored, and its name under "file" for "value".

    `max_body`: bytes of all texts together. Files nobody takes are read over. Raises `TooLarge`, and `Refused` for
    what is no form.
    """
    kind, _, _ = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() == "multipart/form-data":
        return await _Multipart(request, files, max_body, taking).read()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_body:
            raise _too_much(max_body)
    answers: Answers = {}
    try:
        for name, value in parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MOST):
            answers.setdefault(name, []).append(value)
    except ValueError as error:
        raise Refused("The form could not be read.", hint="Go back and send it again.") from error
    return answers


def _too_much(limit: int) -> TooLarge:
    return TooLarge(f"The form is over the limit of {megabytes(limit)}.", hint="Shorten it, or send it as a file.")


class _Multipart:
    """One multipart body. The parser's callbacks note events; they are carried out between two chunks."""

    def __init__(self, request: Request, files: Files, max_body: int, taking: Taking | None) -> None:
        self._request, self._files, self._max_body, self._taking = request, files, max_body, taking
        self._answers: Answers = {}
        self._events: list[tuple[str, bytes]] = []
        self._header, self._headers = [b"", b""], dict[bytes, bytes]()
        self._name = ""
        self._text: bytearray | None = None
        self._sink: Sink | None = None
        self._over = False  # the file that comes in is read over
        self._storing = AsyncExitStack()
        self._parts = self._counted = self._read = 0

    async def read(self) -> Answers:
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header

        _, options = parse_options_header(self._request.headers["content-type"])
        chunks = self._request.stream()
        try:
            async with self._storing:  # an error on the way leaves no file behind
                parser = MultipartParser(options[b"boundary"], self._callbacks())
                async for chunk in chunks:
                    self._read += len(chunk)
                    parser.write(chunk)
                    await self._carry_out(parse_options_header)
                parser.finalize()
                if self._sink is not None or self._text is not None:
                    raise Refused("The form was cut off.", hint="Send it again.")
        except (FormParserError, KeyError, ValueError) as error:
            raise Refused("The form could not be read.", hint="Go back and send it again.") from error
        except Refused:
            await self._drain(chunks)
            raise
        return self._answers

    async def _drain(self, chunks: Any) -> None:
        left = DRAINED_MOST
        async for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                return

    def _callbacks(self) -> Any:
        def note(event: str) -> Any:
            return lambda: self._events.append((event, b""))

        def data(event: str) -> Any:
            return lambda chunk, start, end: self._events.append((event, chunk[start:end]))

        return {"on_part_begin": note("begin"), "on_header_field": data("field"), "on_header_value": data("value"),
                "on_header_end": note("header"), "on_headers_finished": note("headers"), "on_part_data": data("data"),
                "on_part_end": note("end")}

    async def _carry_out(self, options: Any) -> None:
        events, self._events = self._events, []
        for event, data in events:
            if event == "data":
                await self._data(data)
            elif event == "field":
                self._header[0] += data
            elif event == "value":
                self._header[1] += data
            elif event == "header":
                self._headers[self._header[0].lower()] = self._header[1]
                self._header = [b"", b""]
            elif event == "begin":
                self._headers = {}
                self._parts += 1
                if self._parts > FIELDS_MOST:
                    raise TooLarge(f"The form has more than {FIELDS_MOST} fields.")
            elif event == "headers":
                _, parameters = options(self._headers.get(b"content-disposition", b"").decode("latin-1"))
                await self._begin(_text(parameters.get(b"name", b"")), parameters.get(b"filename"))
            else:
                await self._end()

    async def _begin(self, name: str, filename: bytes | None) -> None:
        self._name, self._text = name, None
        if filename is None:
            self._text = bytearray()
        elif filename and (takes := self._taken(name)) is not None:
            assert self._taking is not None  # `_taken` has looked into it
            called = clean_name(_text(filename).replace("%22", '"'))  # browsers write the quotes of a name like this
            if takes.accept and not called.lower().endswith(takes.accept):
                said = refused(f"{called} is no {' or '.join(takes.accept)} and was not kept.")
                self._taking.problems[name], self._over = said, True
                return
            total = max(0, int(self._request.headers.get("content-length", "0")) - self._read)
            receiving = self._files.receive(called, run=self._taking.owner(self._answers), step=takes.step,
                                            max_bytes=takes.max_bytes, watch=takes.watch, total=total)
            self._sink = await self._storing.enter_async_context(receiving)
            self._answers[_file(name)] = [self._sink.name]

    def _taken(self, name: str) -> Takes | None:
        """How a file of this field is taken: once, and never a second time."""
        if self._taking is None or name in self._taking.problems or _file(name) in self._answers:
            return None
        return self._taking.fields.get(name)

    async def _data(self, data: bytes) -> None:
        if self._sink is not None:
            try:
                await self._sink.write(data)
            except TooLarge as error:  # nothing of it stays; the rest of the form is read, so that it can come back
                assert self._taking is not None
                self._taking.problems[self._name], self._over, self._sink = error, True, None
                with suppress(TooLarge):
                    await self._storing.__aexit__(TooLarge, error, None)
            return
        if self._over and self._read < DRAINED_MOST:
            return
        self._counted += len(data)
        if self._counted > self._max_body:
            raise _too_much(self._max_body)
        if self._text is not None:
            self._text += data

    async def _end(self) -> None:
        self._over = False
        if self._sink is not None:
            sink, self._sink = self._sink, None
            await self._storing.aclose()
            assert sink.file is not None  # `receive` has stored it
            self._answers[self._name] = [sink.file.id]
        elif self._text is not None:
            self._answers.setdefault(self._name, []).append(_text(bytes(self._text)))
            self._text = None


def _file(name: str) -> str:
    """Under which name of the answers the name of this field's file is."""
    return name.replace("value", "file", 1)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
