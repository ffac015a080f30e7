"""What a replay gives and pages draw: pure data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field as part
from typing import Any, Literal, NamedTuple

from .errors import PluginError
from .fields.types import Question
from .results import Rows

Kind = Literal["ask", "form", "choose", "approve", "job", "each", "llm"]
State = Literal["done", "open", "running", "failed", "stopped"]
Executor = Literal["thread", "process", "cluster"]
WORKS = frozenset({"job", "each", "llm"})  # the kinds that run; the others ask a person


class Stored(NamedTuple):
    """One row of a step. `value` is JSON; of a reverted question it is only the default of the next answer, of an
    `each` the digest of what it gave. `rows`: those of its items. `code`: the version it runs with."""

    label: str
    key: str
    kind: str
    value: str | None
    digest: str
    state: str
    id: int = 0
    rows: Rows | None = None
    error: str = ""
    code: str = ""


class Approve(NamedTuple):
    """What is decided, and the words of the two answers. `number` as in `Show`; `digest` changes with what is shown."""

    what: tuple[Any, ...]
    yes: str
    no: str
    digest: str
    number: int


class Work(NamedTuple):
    """What a job, an each or an llm step runs.

    `digest`: of all it is called with; a stored result of another one runs again. `items`: those of an each, None for
    a job. `timeout_s`: seconds for one call. `failed`: what an each does when some have failed. `schema`: of an llm,
    the type of its answer; None is text. `calls` knows how a call is bound, and an item known. `seal`: the key of its
    digests, where a secret was given before.
    """

    fn: Callable[..., Any] | None
    args: tuple[Any, ...] = ()
    digest: str = ""
    items: Sequence[Any] | None = None
    on: Executor = "thread"
    workers: int = 1
    retries: int = 0
    timeout_s: float | None = None
    failed: Literal["ask", "keep"] = "ask"
    name: Callable[[Any], str] | None = None
    prompt: str = ""
    schema: Any = None
    seal: bytes = b""


@dataclass(slots=True)
class Step:
    """One step. `default` is what its form proposes. `file` and `line` are those of the call.

    `id`: of its row, 0 while it has none. `error`: why a job failed, in one line. `draft`: what the model is asked for.
    `code`: the version that runs it.
    """

    label: str
    key: str
    slug: str
    kind: Kind
    number: int
    state: State
    field: Question | None
    approve: Approve | None
    value: Any = None
    default: Any = None
    check: Callable[[Any], Any] | None = None
    file: str = ""
    line: int = 0
    work: Work | None = None
    id: int = 0
    error: str = ""
    code: str = ""
    draft: str = ""

    @property
    def name(self) -> str:
        """What it is called in a sentence: its label, and its key where it has one."""
        return f"{self.label} {self.key}".strip()


@dataclass(slots=True)
class Show:
    """Things between the steps. `number` is that of the first thing, each further one counts on; an approval's too."""

    number: int
    things: tuple[Any, ...]


@dataclass(slots=True)
class Export:
    """A download, made when asked for."""

    name: str
    slug: str
    data: dict[str, Any]


@dataclass(slots=True)
class Drawing:
    """What a replay gives. `open`: the first step that is not done. With an `error`, `items` is what was drawn before
    it and nothing is open."""

    items: list[Step | Show | Export] = part(default_factory=list)
    open: Step | None = None
    finished: bool = False
    result: Any = None
    error: PluginError | None = None
