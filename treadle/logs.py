"""The log: one line per thing that matters, to stderr and to a file that rotates.

Texts of messages, answers, tokens and keys are never in it. An exception is written as its type and the lines it came
through; its own words only where they are about a file, a socket, the database or a failure we named, as the words of
any other may quote what a person typed.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from .errors import Refused, TreadleError
from .folder import private
from .text import hide as hide
from .text import without_secrets

if TYPE_CHECKING:
    from loguru import Record

FILE_SIZE = "2 MB"
FILES_KEPT = 5

_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
                     "\U000e0000-\U000e0fff]")


def begin(folder: Path | None) -> None:
    """Log to stderr and, from the first line on, to `folder`/treadle.log. Called again, it starts anew."""
    logger.remove()
    logger.configure(patcher=_patch)
    logger.add(sys.stderr, format=_line, level="INFO", backtrace=False, diagnose=False)
    if folder is not None:
        logger.add(folder / "treadle.log", format=_line, level="INFO", backtrace=False, diagnose=False, delay=True,
                   rotation=FILE_SIZE, retention=FILES_KEPT, opener=private, encoding="utf-8")
    logging.basicConfig(handlers=[_Routed()], level=logging.WARNING, force=True)


def _line(record: Record) -> str:
    """The format of a record: loguru fills in the braces."""
    trace = "\n{extra[trace]}" if "trace" in record["extra"] else ""
    return "{time:YYYY-MM-DD HH:mm:ss} {level: <7} {message}" + trace + "\n"


def _patch(record: Record) -> None:
    if (exception := record["exception"]) is not None and exception.value is not None:
        record["extra"]["trace"] = _clean(trace_of(exception.value))
    record["message"] = _clean(record["message"]).replace("\n", "\\n")


def _clean(text: str) -> str:
    """Without secrets; what would steer a terminal, end a line or turn it around is escaped. Newlines stay."""
    text = without_secrets(text)
    return text if text.isprintable() else _STEERS.sub(lambda sign: ascii(sign.group())[1:-1], text)


def trace_of(error: BaseException) -> str:
    """What happened and where, without the words of an exception that may quote a person."""
    words = str(error) if isinstance(error, (OSError, sqlite3.Error)) else ""
    if isinstance(error, TreadleError) and not isinstance(error, Refused):
        words = error.message
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [trace_of(cause), "  which led to:"] if cause is not None else []
    lines += [f"  {at.filename}:{at.lineno} in {at.name}" for at in traceback.extract_tb(error.__traceback__)]
    words = words.replace("\n", " ")
    lines.append(f"  {type(error).__name__}: {words}" if words else f"  {type(error).__name__}")
    return "\n".join(lines)


class _Routed(logging.Handler):
    """Sends what libraries log (uvicorn, asyncio) the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        exception = record.exc_info[1] if record.exc_info else None
        text = record.getMessage().partition("\n")[0]
        logger.opt(exception=exception).log(record.levelname, "{}: {}", record.name, text)
