"""What a job returns, as it is kept: JSON checked by the annotation, long lists by row, and files.

Nothing is pickled into a file or the database, and nothing is unpickled from there.
"""

from __future__ import annotations

import inspect
import io
import json
import typing
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

from ..calls import shape
from ..files import File, megabytes
from ..text import STORED_LEVELS, cover, deeper, one_line, storable
from .progress import Progress

LIMIT = 1_000_000         # bytes of JSON in one row
ROWS_LIMIT = 100_000_000  # bytes of a long list
NO_NAN = "JSON has no NaN and no infinity. Return None in their place."
FRAMES = ("pandas", "polars")
PICTURES = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"<svg", "svg"), (b"%PDF", "pdf"),
            (b"PK\3\4", "zip"), (b"\x1f\x8b", "gz"), (b"PAR1", "parquet"))


class Unstorable(Exception):
    """A result that cannot be kept; the message names it and says what to return instead."""


class Result(NamedTuple):
    """What one call came to. `state`: done, failed, stopped, or broken, whose worker died with it.

    Of a done one there is `value` (JSON), or `rows` (JSON each), or `data`, a file whose name has the `ending`.
    """

    state: str
    value: str = ""
    rows: list[str] | None = None
    data: bytes | None = None
    ending: str = ""
    error: str = ""
    details: str = ""


def _frame(kind: Any) -> str:
    """The library of a class of frames, or "". A text is an annotation of what only type checkers import."""
    if isinstance(kind, str):
        library, _, name = kind.rpartition(".")
        library = {"pd": "pandas", "pl": "polars"}.get(library, library)
    else:
        library, name = getattr(kind, "__module__", "").partition(".")[0], getattr(kind, "__name__", "")
    return library if library in FRAMES and name in ("DataFrame", "Series") else ""


def encode(value: Any, fn: Any) -> Result:
    """What `fn` returned, ready to be kept. Raises `Unstorable`."""
    if isinstance(value, File):
        return Result("done", json.dumps({"file": value.id}))
    if (made := _as_file(value)) is not None:
        return Result("done", data=made[0], ending=made[1])
    hint, name = shape(fn).returns, getattr(fn, "__name__", "The function")
    plain = _checked(value, hint, name) if _is_checked(hint) else value
    try:
        text = storable(json.dumps(plain, default=partial(_instead, name), ensure_ascii=False, allow_nan=False))
    except RecursionError:
        raise Unstorable(f"{name} returned {_quoted(value)}, which is nested too deep.") from None
    except (TypeError, ValueError) as error:
        why = NO_NAN if "Out of range" in str(error) else f"{error}."
        raise Unstorable(f"{name} returned {_quoted(value)}, which cannot be stored: {why}") from None
    if deeper(plain, STORED_LEVELS):  # it would not be read back where Python is deep already
        raise Unstorable(f"{name} returned {_quoted(value)}, which is nested too deep.")
    if (size := len(text.encode())) <= LIMIT:
        return Result("done", text)
    if isinstance(plain, list | tuple) and size <= ROWS_LIMIT:
        rows = [storable(json.dumps(row, default=partial(_instead, name), ensure_ascii=False)) for row in plain]
        if max(map(len, rows)) <= LIMIT // 4 or max(len(row.encode()) for row in rows) <= LIMIT:
            return Result("done", rows=rows)
    raise Unstorable(f"{name} returned {megabytes(size)} of JSON; the limit is {megabytes(LIMIT)}. Return a list of "
                     "smaller things, a frame or bytes.")


def covered(result: Result, secrets: Sequence[str]) -> Result:
    """The result without the secrets of its run; failed where they are in a file. May be slow."""
    data = (result.data or b"").decode("utf-8", "replace")
    if cover(data, secrets) != data:
        return Result("failed", error="The file it made holds a secret of this run. Make it without.")

    def plain(text: str) -> str:
        same = cover(text, secrets) == text
        return text if same else json.dumps(cover(json.loads(text), secrets), ensure_ascii=False)

    return result._replace(value=plain(result.value), rows=result.rows and [*map(plain, result.rows)],
                           error=cover(result.error, secrets), details=cover(result.details, secrets))


def _is_checked(hint: Any) -> bool:
    return hint not in (Any, None, File) and not _frame(hint) and hint is not inspect.Signature.empty


@lru_cache(maxsize=512)
def _adapter(hint: Any) -> Any:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(hint, config={"ser_json_inf_nan": "constants"})  # or NaN would become None unsaid
    except PydanticUserError:  # a model brings its own
        return TypeAdapter(hint)


def adapter(hint: Any) -> Any:
    """What pydantic checks a type with. Raises `Unstorable` for a type it does not know."""
    from pydantic.errors import PydanticUserError

    try:
        try:
            return _adapter(hint)
        except TypeError:  # it cannot be hashed
            return _adapter.__wrapped__(hint)
    except (PydanticUserError, NameError, TypeError) as error:
        raise Unstorable(f"{one_line(str(hint), 80)} cannot be stored: {one_line(str(error), 160)}") from None


def _checked(value: Any, hint: Any, name: str) -> Any:
    """The value as plain data, if it is what the annotation says and reads back as that."""
    from pydantic import ValidationError
    from pydantic_core import PydanticSerializationError

    check = adapter(hint)
    try:
        plain = check.dump_python(check.validate_python(value), mode="json", warnings=False)
        check.validate_json(json.dumps(plain))
        return plain
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"[{part!r}]" for part in first["loc"])
        raise Unstorable(f"{name} returned {_quoted(first.get('input', value))}{f' at {where}' if where else ''}, and "
                         f"is annotated with {one_line(_name(hint), 80)}: {first['msg']}.") from None
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise Unstorable(f"{name} returned {_quoted(value)}, which cannot be stored: "
                         f"{one_line(str(error), 160)}") from None


def _instead(name: str, value: Any) -> Any:
    """What JSON does not know: numbers of numpy become plain ones, all else is refused with what to return."""
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        hint = "Return a list."
    elif isinstance(value, bytes | bytearray | File) or _frame(type(value)):
        hint = "Return it alone, then it becomes a file of the run."
    else:
        hint = f"Say in the annotation of {name} what it returns, or return dicts, lists, texts and numbers."
    raise Unstorable(f"{name} returned {_quoted(value)}, which cannot be stored. {hint}")


def _quoted(value: Any) -> str:
    try:
        return f"{type(value).__name__} {one_line(repr(value), 60)}"
    except Exception:  # noqa: BLE001 - the repr of an author's object
        return type(value).__name__


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _as_file(value: Any) -> tuple[bytes, str] | None:
    """Bytes, a picture, a figure or a frame as the bytes of a file and the ending of its name."""
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        return data, next((ending for mark, ending in PICTURES if data.startswith(mark)), "bin")
    kind = type(value)
    library, out = kind.__module__.partition(".")[0], io.BytesIO()
    if library == "matplotlib" and hasattr(value, "savefig"):
        value.savefig(out, format="png", dpi=144, bbox_inches="tight")
        return out.getvalue(), "png"
    if library == "PIL" and hasattr(value, "save"):
        value.save(out, format="PNG")
        return out.getvalue(), "png"
    if library in ("plotly", "altair") and hasattr(value, "to_json"):  # what a show draws it from
        return value.to_json().encode(), f"{library}.json"
    if not (library := _frame(kind)):
        return None
    frame = value.to_frame() if kind.__name__ == "Series" else value
    if library == "polars":
        frame.write_parquet(out)
        return out.getvalue(), "parquet"
    try:
        frame.to_parquet(out)
        return out.getvalue(), "parquet"
    except ImportError:  # without pyarrow: JSON that says which type a column has
        return frame.to_json(orient="table", double_precision=15).encode(), "json"


def read_frame(file: File, library: str) -> Any:
    """The frame in a file: one that a job returned, or a CSV, TSV or Excel file. `library`: pandas or polars."""
    ending = file.name.rpartition(".")[2].lower()
    if library == "polars":
        import polars  # type: ignore[import-not-found,unused-ignore]

        if ending == "parquet":
            return polars.read_parquet(file.path)
        if ending in ("xlsx", "xls"):
            return polars.read_excel(file.path)
        return polars.read_csv(file.read_text().encode(), separator="\t" if ending == "tsv" else ",")
    import pandas  # type: ignore[import-untyped,unused-ignore]

    if ending == "parquet":
        return pandas.read_parquet(file.path)
    if ending in ("xlsx", "xls"):
        return pandas.read_excel(file.path)
    if ending == "json":
        with file.open() as text:
            return pandas.read_json(text, orient="table")
    return pandas.read_csv(file.path, sep=None, engine="python", encoding=file.encoding())


def given(fn: Any, args: Sequence[Any], bound: int, progress: Progress) -> tuple[list[Any], dict[str, Any]]:
    """The arguments `fn` is called with: its progress, and frames where it asks for them. `bound`: how many
    a `partial` has given before."""
    asked = shape(fn)
    names = list(asked.signature.parameters)[bound:]
    values = [read_frame(value, library) if isinstance(value, File) and n < len(names)
              and (library := _frame(asked.hints.get(names[n]))) else value for n, value in enumerate(args)]
    return values, {asked.progress: progress} if asked.progress else {}
