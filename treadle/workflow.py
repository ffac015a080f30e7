"""What a plugin declares: pure data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import PluginError
from .text import storable

Author = Callable[..., Coroutine[Any, Any, Any]]  # an author's `async def name(ui)`


@dataclass(frozen=True)
class Workflow:
    """One place in the menu, at `/{endpoint}`.

    `message` is said in the chat on arrival, `training` is told to the model while somebody is here, `steps` is the
    outline known in advance. `file` is the path a person reads, `order` the number in front of its name, and `code`
    names the version: a hash of the plugin and the helpers it imports.
    """

    endpoint: str
    title: str
    message: str
    training: str
    icon: str
    about: str
    steps: tuple[str, ...]
    version: int
    kind: str
    fn: Author
    file: str
    order: int
    code: str


@dataclass(frozen=True)
class Broken:
    """A workflow that cannot be had, and why: its error card stands at its own address."""

    endpoint: str
    title: str
    file: str
    order: int
    error: PluginError


def workflow(title: str, *, message: str, training: str = "", icon: str = "workflow", about: str = "",
             steps: Sequence[str] = (), version: int = 1) -> Callable[[Author], Workflow]:
    """Declare a workflow: put this above an `async def` that takes `ui`. Its name becomes the address.

    `message`: Markdown, said in the chat on arrival. `training`: text, or the name of a .md file beside the plugin.
    Raises `TypeError` for a declaration that cannot work.
    """
    texts = {"title": title, "message": message, "training": training, "icon": icon, "about": about}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise TypeError(f"{name}= of a workflow is text, not {type(value).__name__}.")
        texts[name] = storable(value)  # the title is on every page
    if not title.strip() or not message.strip():
        raise TypeError("A workflow has a title and a message.")
    if isinstance(steps, str) or not all(isinstance(step, str) for step in steps):
        raise TypeError("steps= of a workflow is a list of labels.")

    def declare(fn: Author) -> Workflow:
        if not inspect.iscoroutinefunction(fn):
            raise TypeError(f"{getattr(fn, '__name__', fn)} is no workflow: write `async def` in front of it.")
        if not fn.__name__.isascii():
            raise TypeError(f"{fn.__name__} becomes an address: name it with the letters a to z.")
        if len(inspect.signature(fn).parameters) != 1:
            raise TypeError(f"{fn.__name__} takes one parameter, ui.")
        return Workflow(**texts, endpoint=fn.__name__, steps=tuple(map(storable, steps)), version=version,
                        kind="workflow", fn=fn, file=fn.__code__.co_filename, order=0, code="")

    return declare


async def _home(ui: Any) -> None:
    """Home has no steps: its page is drawn by the app."""


HOME = Workflow(
    endpoint="home", title="Home", icon="layers", about="", steps=(), version=1, kind="home", fn=_home,
    message="This is Treadle. Open a workflow from the list or the menu; each one says here what it is for.",
    training="""The person is on the home page of Treadle, which lists the workflows and the runs that are not finished.
Treadle is a local-first web application. On the left stand step-by-step workflows, each one a Python file in the
folder plugins/. On the right is this chat with a local model, served by Ollama. Nothing leaves the computer.
A workflow asks questions one after the other; each answer is stored at once, so that a run can be left and gone on
with later. Revert, beside an answered step, asks it again with the old answer as a proposal. A finished run is locked
and can be unlocked. The menu at the top left opens every workflow; the introduction is a good start.
You see the place the person is in and the state of the open run. You cannot click or answer for
them: say what to do.""",
    file="", order=0, code="home")
