"""What both galleries do: the code of a function beside what it does, and which command installs a package."""

import inspect
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

from treadle import Code


@cache
def code_of(*fns: Callable[..., Any]) -> Code:
    """The source of functions as they run, so that what is read is what was done; `about` says what the first tells."""
    source = "\n\n".join(map(inspect.getsource, fns))
    return Code(source.replace(f'    """{fns[0].__doc__}"""\n', "", 1), "python", name=f"{fns[0].__name__}()")


def about(fn: Callable[..., Any]) -> str:
    """Its docstring, which is Markdown."""
    return inspect.getdoc(fn) or ""


def missing(*packages: str) -> str:
    """What to say of the packages that are not installed; "" where all of them are."""
    lacking = [name for name in packages if find_spec(name.replace("-python", "").replace("-", "_")) is None]
    if not lacking:
        return ""
    return f"This needs {' and '.join(lacking)}, which is not installed; install it with:\n\n```sh\n{sys.executable} " \
           f"-m pip install {' '.join(lacking)}\n```\n\nand start Treadle again."
