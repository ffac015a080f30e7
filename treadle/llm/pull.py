"""A download of a model, as its progress."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..clock import Clock
from ..errors import InvalidAnswer, ModelError
from .status import SUGGESTED, PullProgress
from .wire import LARGEST, post_lines

SILENT_S = 600.0   # what has come is checked at the end; Ollama says nothing meanwhile
TELL_S = 0.5       # between two changes of the progress that is shown
LAYERS_MOST = 10_000
JUDGE_S = 2.0      # before the time that is left can be told
NAME = re.compile(r"\w[\w.-]*(?:[/:]\w[\w.-]*){0,4}", re.ASCII)


def first_progress(name: str) -> PullProgress:
    """What is shown until Ollama answers. Raises `InvalidAnswer` for what cannot be the name of a model."""
    if not NAME.fullmatch(name) or len(name) > 200:
        raise InvalidAnswer(f"“{name[:80]}” is no name of a model.", field="model", hint="Write it as in qwen3:8b.")
    return PullProgress(name, total=SUGGESTED.size if name == SUGGESTED.name else 0)


async def download(address: str, name: str, *, clock: Clock) -> AsyncGenerator[PullProgress, None]:
    """Download a model and yield how far it is, at most twice a second; ends when it is installed.

    Closing or cancelling stops the download; Ollama keeps what has come. Raises `ModelError`.
    """
    from ollama import ProgressResponse

    expected = first_progress(name).total
    layers: dict[str, tuple[int, int]] = {}  # a model has several; their bytes are added up
    done = known = 0
    began: tuple[float, int] | None = None
    told = 0.0
    try:
        async with aclosing(post_lines(address, "/api/pull", {"model": name, "stream": True}, clock=clock,
                                       first_s=SILENT_S, idle_s=SILENT_S)) as lines:
            async for line in lines:
                try:
                    progress = ProgressResponse.model_validate(line)
                except ValueError:
                    continue  # odd progress does not undo a download
                if progress.status == "success":
                    return
                size = progress.total or 0
                if not progress.digest or not 0 < size < LARGEST or len(layers) > LAYERS_MOST:
                    continue
                come, before = max(0, min(progress.completed or 0, size)), layers.get(progress.digest, (0, 0))
                layers[progress.digest] = (come, size)
                done, known = done + come - before[0], known + size - before[1]
                now, total = clock.monotonic(), max(known, expected)
                began = began or (now, done)
                if now - told >= TELL_S or done >= total:
                    told = now
                    past = now - began[0]
                    speed = (done - began[1]) / past if past >= JUDGE_S else 0
                    yield PullProgress(name, done, total, (total - done) / speed if speed > 0 else None)
    except TimeoutError as error:
        raise ModelError("Nothing has come for 10 minutes.") from error
    raise ModelError("The download ended before it was complete.")
