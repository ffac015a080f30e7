"""Start Treadle: `python server.py`, and the address is printed. `--help` lists what can be chosen."""

import argparse
import faulthandler
import gc
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python is told, too
    sys.exit("Treadle needs Python 3.11 or newer; this is {}.{}.".format(*sys.version_info[:2]))


if sys.stderr is not None:
    faulthandler.enable()  # a crash in the C code of some library says where
sys.dont_write_bytecode = False  # some environments forbid it, and every start would compile all of Treadle again
os.environ.setdefault("LOGURU_AUTOINIT", "0")  # logs.py sets the log up; the usual one would be made and thrown away


def arguments() -> argparse.Namespace:
    """What the command line says. Ends the process for --help and for what it does not know."""
    from treadle.config import Settings

    usual = Settings.__dataclass_fields__
    parser = argparse.ArgumentParser(
        prog="server.py", description="Workflows on the left, a chat with a local model on the right.",
        epilog="Commands: new, list, run, fork, compare, save, import, rename, delete, restore, finalise, unlock, "
               "revert, undo, check, test, import-notebook; each has its own --help. "
               "OLLAMA_HOST: the address of the model's server. TREADLE_PLUGINS: other "
               "folders of plugins, written as PATH is; an empty one is the shipped folder. "
               "TREADLE_CLUSTER: the address of a Dask scheduler, for jobs on a cluster.")
    add = parser.add_argument
    add("--port", type=port, default=usual["port"].default, help="the port to listen on (%(default)s); 0: a free one")
    add("--host", default=usual["host"].default, help="the address to listen on (%(default)s: this computer only)")
    add("--data", type=Path, default=usual["data"].default, metavar="FOLDER", help="where everything is kept (data/)")
    add("--open", action=argparse.BooleanOptionalAction, default=True, help="open the browser when there is one")
    add("--no-token", action="store_true", help="let everybody on this computer in")
    add("--dev", action="store_true", help="for authors: replay every workflow twice and say where the two differ")
    add("--demo", action="store_true", help="answer from a built-in, labelled demo instead of a model")
    return parser.parse_args()


def port(text: str) -> int:
    """A port number. Raises ValueError, which argparse turns into a sentence."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise ValueError(text)
    return number


def saved(core: Any, key: str) -> AsyncIterator[str]:
    """A run as one HTML file, in pieces. The commands know no pages."""
    from treadle.web.saving import saved as drawn

    pieces: AsyncIterator[str] = drawn(core, key)
    return pieces


def command() -> None:
    """Do what a command beside the server is for, if there is one among the arguments, and end with its exit code."""
    words = sys.argv[1:]
    first = words[2:] if words[:1] == ["--data"] else words
    if not first or first[0].startswith("-"):
        return
    from treadle.cli import main as commands

    code = commands(words, saved)
    if (shared := sys.modules.get("multiprocessing.util")) is not None:
        shared._run_finalizers(0)  # what workers shared is given back, or Python complains after the end
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a thread of a job may hold on for as long as it likes; what is committed is kept


def main() -> None:
    """Serve until Ctrl-C or SIGTERM. Exit code 1 and one sentence when it cannot start."""
    command()
    gc.disable()  # until serving begins: what is imported stays, and looking for garbage in it is a fifth of a start
    args = arguments()
    from treadle.config import Settings
    from treadle.errors import StartError, StorageError

    settings = Settings(data=args.data.absolute(), host=args.host, port=args.port, token=not args.no_token,
                        open_browser=args.open, dev=args.dev, demo=args.demo)
    settings = settings.with_plugins(os.environ.get("TREADLE_PLUGINS", ""))
    try:
        from treadle.web.serve import run

        run(settings)
    except (StartError, StorageError) as error:
        sys.exit(f"{error.message} {error.hint}".strip())
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("treadle", "plugins"):
            raise
        sys.exit(f"The package {error.name} is not installed. `make run` installs what Treadle needs and starts it.")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
