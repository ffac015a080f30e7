"""The canned model of `--demo`: it shows how replies look, and says that it is none."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from pathlib import Path

from ..clock import Clock
from .status import Piece

NAME = "canned demo"
FIRST_S = 0.4     # before the first word, as a model thinks
TOKENS_PER_S = 40

REPLY = Path(__file__).with_suffix(".md")


async def reply(clock: Clock) -> AsyncGenerator[Piece, None]:
    """Yield the canned reply word by word, at the speed of a model."""
    await clock.sleep(FIRST_S)
    for token in re.findall(r"\s*\S+|\s+$", REPLY.read_text(encoding="utf-8")):
        yield Piece(text=token)
        await clock.sleep(1 / TOKENS_PER_S)
    yield Piece(done=True, reason="stop", tokens_per_s=TOKENS_PER_S)
