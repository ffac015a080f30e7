"""What a plugin declares: pure data."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from .errors import PluginError
from .text import one_line, storable

Author = Callable[..., Coroutine[Any, Any, Any]]  # an author's `async def name(ui)`



class Late:
    """The function of a workflow whose file is imported when it first runs. `load` may raise `PluginError`."""

    def __init__(self, load: Callable[[], Author]) -> None:
        self._load = load
        self._fn: Author | None = None

    @property
    def imported(self) -> bool:
        return self._fn is not None

    def load(self) -> Author:
        """Import it now. May take as long as an import may; not for the event loop."""
        self._fn = self._fn or self._load()
        return self._fn

    def __call__(self, ui: Any) -> Coroutine[Any, Any, Any]:
        return self.load()(ui)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.load(), name)


NEED = re.compile(r"network(: ?[\w.*:-]+)?|files|model")
INPUT = "Input"  # the label of the form of a tool's parameters


@dataclass(frozen=True)
class Workflow:
    """One place in the menu, at `/{endpoint}`.

    `message` is said in the chat on arrival, `training` is told to the model while somebody is here, `steps` is the
    outline known in advance. `file` is the path a person reads, `order` the number in front of its name, and `code`
    names the version: a hash of the plugin and the helpers it imports. `needs`: what it reaches, said before the
    first use.
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
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tool(Workflow):
    """One typed function. In the app it is a workflow of a form, a job and a show; `call` is what the author wrote.

    It can be called like the function, given to `ui.job`, and pickled by its name.
    """

    call: Callable[..., Any] = dataclasses.field(kw_only=True)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.call(*args, **named)

    def __reduce__(self) -> Any:
        return _named, (self.call.__module__, self.call.__qualname__)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        return self.call

    @cached_property
    def input(self) -> type | None:
        """A dataclass of the parameters a person gives; None where there are none. Those annotated `Progress` are
        not among them. Raises `TypeError` for a hint that means nothing."""
        try:
            hints = typing.get_type_hints(self.call, include_extras=True)
        except (NameError, AttributeError) as error:
            raise TypeError(f"A type of {self.endpoint} cannot be read: {error}.") from None
        fields = [(name, hints[name], dataclasses.MISSING if parameter.default is parameter.empty else
                   parameter.default) for name, parameter in inspect.signature(self.call).parameters.items()
                  if getattr(hints[name], "__name__", "") != "Progress"]
        if not fields:
            return None
        return dataclasses.make_dataclass("Input", [
            (name, hint, dataclasses.field(default_factory=partial(_as_it_is, default))
             if default is not dataclasses.MISSING else dataclasses.field()) for name, hint, default in fields],
            kw_only=True)


@dataclass(frozen=True)
class Page(Workflow):
    """A page of the author's components. It asks nothing and has no runs."""


@dataclass(frozen=True)
class Broken:
    """A place that cannot be had, and why: its error card stands at its own address."""

    endpoint: str
    title: str
    file: str
    order: int
    error: PluginError
    kind: str = "workflow"


def workflow(title: str, *, message: str, training: str = "", icon: str = "workflow", about: str = "",
             steps: Sequence[str] = (), version: int = 1, needs: Sequence[str] = ()) -> Callable[[Author], Workflow]:
    """Declare a workflow: put this above an `async def` that takes `ui`. Its name becomes the address.

    `message`: Markdown, said in the chat on arrival, beside the `icon`. `training`: text, or the name of a .md file
    beside the plugin: what the model is told while somebody is here. `about`: Markdown for the card at home.
    `steps`: labels known in advance. `version`: raise it when stored answers no longer mean the same. `needs`: of
    "network", "network: example.org", "files" and "model" those it reaches; shown before the first use.
    Raises `TypeError` for a declaration that cannot work.
    """
    facts = _checked("workflow", title, message, training, icon, about, steps, version, needs)
    if not facts["message"].strip():
        raise TypeError("A workflow has a title and a message.")

    def declare(fn: Author) -> Workflow:
        if not inspect.iscoroutinefunction(fn):
            raise TypeError(f"{getattr(fn, '__name__', fn)} is no workflow: write `async def` in front of it.")
        _check_ui(fn)
        return Workflow(**facts, **_placed(fn), kind="workflow", fn=fn)

    return declare


@typing.overload
def tool(fn: Callable[..., Any], /) -> Tool: ...
@typing.overload
def tool(*, title: str = "", message: str = "", training: str = "", icon: str = "wrench", about: str = "",
         version: int = 1, needs: Sequence[str] = ()) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(fn: Callable[..., Any] | None = None, /, *, title: str = "", message: str = "", training: str = "",
         icon: str = "wrench", about: str = "", version: int = 1, needs: Sequence[str] = ()) -> Any:
    """Declare a tool: put `@tool` above a typed function. It is a form in the app, a step for `ui.job`, and a tool for
    the model. Every parameter has a type to ask for, or is annotated `Progress`.

    `title` is made of its name and `about` of its docstring where they are left out; the others as in `workflow`.
    Raises `TypeError` for a declaration that cannot work.
    """
    def declare(call: Callable[..., Any]) -> Tool:
        if not inspect.isfunction(call):
            raise TypeError(f"@tool stands above a function, not {type(call).__name__}.")
        for parameter in inspect.signature(call).parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(f"{call.__name__} is no tool: {parameter} has no name that a form could show.")
            if parameter.annotation is parameter.empty:
                raise TypeError(f"{parameter.name} of {call.__name__} has no type: write `{parameter.name}: str`, say.")
        name = title or call.__name__.replace("_", " ").strip().capitalize()
        said = about or inspect.cleandoc(call.__doc__ or "").partition("\n\n")[0]
        facts = _checked("tool", name, message or said or f"{name}: fill in the form.", training, icon, said, (),
                         version, needs)
        given: list[Tool] = []
        flow = _at(_tool_flow(given, name), call)
        given.append(Tool(**facts, **_placed(call), kind="tool", fn=flow, call=call))
        return given[0]

    return declare if fn is None else declare(fn)


def page(title: str, *, message: str = "", training: str = "", icon: str = "file", about: str = "", version: int = 1,
         needs: Sequence[str] = ()) -> Callable[[Callable[[Any], Any]], Page]:
    """Declare a page: put this above a function that takes `ui` and returns FastHTML components, or gives them to
    `ui.show`. It is drawn anew whenever it is opened; what takes long belongs into a workflow.

    The parameters as in `workflow`. Raises `TypeError` for a declaration that cannot work.
    """
    facts = _checked("page", title, message or about or f"{title}.", training, icon, about, (), version, needs)

    def declare(call: Callable[[Any], Any]) -> Page:
        if not inspect.isfunction(call):
            raise TypeError(f"@page stands above a function, not {type(call).__name__}.")
        _check_ui(call)
        return Page(**facts, **_placed(call), kind="page", fn=_at(_page_flow(call), call))

    return declare


def _checked(kind: str, title: str, message: str, training: str, icon: str, about: str, steps: Sequence[str],
             version: int, needs: Sequence[str]) -> dict[str, Any]:
    texts = {"title": title, "message": message, "training": training, "icon": icon, "about": about}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise TypeError(f"{name}= of a {kind} is text, not {type(value).__name__}.")
        texts[name] = storable(value)  # the title is on every page
    if not title.strip():
        raise TypeError(f"A {kind} has a title{' and a message' if kind == 'workflow' else ''}.")
    if isinstance(steps, str) or not all(isinstance(step, str) for step in steps):
        raise TypeError(f"steps= of a {kind} is a list of labels.")
    if len(set(steps)) < len(steps):
        raise TypeError(f"steps= of a {kind} names a label twice; a step with keys is one entry.")
    if type(version) is not int or version < 1:
        raise TypeError(f"version= of a {kind} is a whole number from 1, not {version!r}.")
    if isinstance(needs, str):
        raise TypeError(f"needs= of a {kind} is a list: write needs=[{needs!r}].")
    for need in needs:
        if not isinstance(need, str) or not NEED.fullmatch(need):
            raise TypeError(f'needs= of a {kind} holds "network", "network: example.org", "files" or "model", '
                            f"not {one_line(repr(need), 60)}.")
    return {**texts, "steps": tuple(map(storable, steps)), "version": version, "needs": tuple(needs)}


def _check_ui(fn: Callable[..., Any]) -> None:
    if len(inspect.signature(fn).parameters) != 1:
        raise TypeError(f"{fn.__name__} takes one parameter, ui.")


def _placed(fn: Callable[..., Any]) -> dict[str, Any]:
    before = fn.__globals__.get(fn.__name__)  # a copied one, whose name was left as it was
    if isinstance(before, Workflow) and fn.__qualname__ == fn.__name__ and before.file == fn.__code__.co_filename:
        raise TypeError(f"{fn.__name__} is declared twice in this file. Give one of the functions another name.")
    if not fn.__name__.isascii():
        raise TypeError(f"{fn.__name__} becomes an address: name it with the letters a to z.")
    return {"endpoint": fn.__name__, "file": fn.__code__.co_filename, "order": 0, "code": ""}


def _named(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def _as_it_is(value: Any) -> Any:
    return value


# what a tool and a page are as workflows

def _at(flow: Author, call: Callable[..., Any]) -> Author:
    """The flow as if it stood where the author's function does: an error of it names their file and line."""
    code = call.__code__
    flow.__code__ = flow.__code__.replace(co_filename=code.co_filename, co_firstlineno=code.co_firstlineno)
    flow.__module__ = call.__module__
    return flow


def _tool_flow(declared: list[Tool], title: str) -> Author:
    async def flow(ui: Any) -> Any:
        form = declared[0].input
        given = await ui.form(INPUT, form) if form is not None else None
        named = {field.name: getattr(given, field.name) for field in dataclasses.fields(form)} if form else {}
        result = await ui.job(title, partial(declared[0], **named))
        ui.show(showable(result))
        return result

    return flow


def _page_flow(call: Callable[[Any], Any]) -> Author:
    async def flow(ui: Any) -> None:
        given = call(ui)
        given = await given if inspect.isawaitable(given) else given
        if given is not None:
            ui.show(*given if isinstance(given, tuple | list) else (given,))

    return flow


def showable(result: Any) -> Any:
    """What a tool returned, as something `show` takes: a record or a list becomes a table."""
    from .shows import Table

    if dataclasses.is_dataclass(result) and not isinstance(result, Table | type):
        result = dataclasses.asdict(result)
    elif hasattr(result, "model_dump"):
        result = result.model_dump()
    if isinstance(result, dict):
        return Table([{"name": str(name), "value": value} for name, value in result.items()])
    if isinstance(result, list | tuple):
        rows = all(isinstance(row, dict) or dataclasses.is_dataclass(row) or hasattr(row, "model_dump")
                   for row in result)
        return Table(list(result) if rows else [{"value": value} for value in result])
    if isinstance(result, bool):
        return "Yes" if result else "No"
    return "Done." if result is None else result


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
