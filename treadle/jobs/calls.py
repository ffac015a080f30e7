"""One call of an author's function, where it runs: in a thread, in a worker process or on a cluster."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..calls import inner
from ..errors import MissingPackage
from ..worker import blame, folder_of
from .progress import Progress, Said, Stopped, printed
from .results import Result, Unstorable, encode, given

speaking: dict[int, Said] = {}  # by the id of a thread, what its call speaks to
UNKNOWN = os.sep + "\0"  # the folder of no file
FRAME = (". What a job returned as a frame is a File of the run. A function is given the frame where it asks for one: "
         "annotate its parameter, such as `rows: pandas.DataFrame`.")


class Over:
    """Whether one call is to end; set by us, asked by the function's progress."""

    flag = False
    _flags: Any = None
    _slot = 0

    def __call__(self) -> bool:
        return self.flag

    def share(self, flags: Any, slot: int) -> None:
        """A worker process looks at `flags[slot]`."""
        self._flags, self._slot = flags, slot
        flags[slot] = self.flag

    def set(self) -> None:
        """It is to end."""
        self.flag = True
        if self._flags is not None:
            self._flags[self._slot] = True


def call(fn: Any, args: Sequence[Any], said: Said, over: Callable[[], bool]) -> Result:
    """Call `fn`; nothing is raised. What it prints goes to `said`; `over`: whether it is to end."""
    thread = threading.get_ident()
    speaking[thread] = said
    try:
        with printed(said):
            return encode(_begin(fn, args, said, over)(), inner(fn))
    except BaseException as error:  # noqa: BLE001 - an author's code may raise anything
        return failed(error, fn)
    finally:
        del speaking[thread]


async def call_here(fn: Any, args: Sequence[Any], said: Said, over: Callable[[], bool]) -> Any:
    """Await a coroutine function; what it returns is not encoded yet. Raises what it raises."""
    with printed(said):
        return await _begin(fn, args, said, over)()


def _begin(fn: Any, args: Sequence[Any], said: Said, over: Callable[[], bool]) -> Callable[[], Any]:
    bound = len(fn.args) if isinstance(fn, partial) else 0
    values, more = given(inner(fn), args, bound, Progress(said, over))
    return partial(fn, *values, **more)


def failed(error: BaseException, fn: Any) -> Result:
    """What an error of an author's function is kept as. Call it where their `__str__` may run."""
    if isinstance(error, Stopped):
        return Result("stopped")
    if isinstance(error, Unstorable):
        return Result("failed", error=str(error), details=str(error))
    problem = blame(error, folder_of(inner(fn)) or UNKNOWN)
    more = f"; install it with: {problem.hint}" if isinstance(problem, MissingPackage) else ""
    if isinstance(error, AttributeError | TypeError) and "'File' object" in str(error):
        more = FRAME
    return Result("failed", error=f"{problem.message}{more}", details=problem.details)
