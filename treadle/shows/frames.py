"""Tables made elsewhere: frames of pandas and polars, which a plugin has imported; files of tables."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ..files import File
from ..text import install

READ = ("csv", "tsv", "json", "jsonl", "parquet")  # endings of files that are read as tables
Rows = list[dict[str, Any]]


def made_by(thing: Any, package: str, *names: str) -> bool:
    """Whether its class, or one it derives from, has one of these names and is of `package`."""
    return any(kind.__name__ in names and kind.__module__.partition(".")[0] == package for kind in type(thing).__mro__)


def is_frame(thing: Any) -> bool:
    """Whether it is a frame, or a series, of pandas or polars."""
    return any(made_by(thing, package, "DataFrame", "Series") for package in ("pandas", "polars"))


def names(frame: Any) -> list[str]:
    """The columns; those of an index that says something come first."""
    if made_by(frame, "pandas", "DataFrame", "Series"):
        return [str(name) for name in _flat(frame).columns]
    return [frame.name or "value"] if made_by(frame, "polars", "Series") else list(frame.columns)


def records(frame: Any) -> Rows:
    """The rows. What is missing is None. About 0.2 s for 100,000 rows of 5 columns."""
    if made_by(frame, "pandas", "DataFrame", "Series"):
        flat = _flat(frame).astype(object)
        flat = flat.where(flat.notna(), None)
        columns = [flat.iloc[:, at].tolist() for at in range(flat.shape[1])]
    elif made_by(frame, "polars", "Series"):
        columns = [frame.to_list()]
    else:
        columns = [column.to_list() for column in frame.get_columns()]
    titles = names(frame)
    return [dict(zip(titles, row, strict=True)) for row in zip(*columns, strict=True)]


def content(frame: Any) -> str:
    """A hash of all a frame holds, the same in every process."""
    found = hashlib.sha256(json.dumps(names(frame)).encode())
    try:
        if made_by(frame, "pandas", "DataFrame", "Series"):
            flat = _flat(frame)
            found.update(sys.modules["pandas"].util.hash_pandas_object(flat, index=False).to_numpy().tobytes())
            return found.hexdigest()
    except TypeError:  # a cell that is a list or a dict
        pass
    for row in records(frame):
        found.update(json.dumps(list(row.values()), default=str).encode())
    return found.hexdigest()


def _flat(frame: Any) -> Any:
    """A frame of pandas with its index among the columns, unless that only counts."""
    if made_by(frame, "pandas", "Series"):
        frame = frame.to_frame(name=frame.name if frame.name is not None else "value")
    index = frame.index
    if type(index).__name__ == "RangeIndex" and index.name is None:
        return frame
    taken = set(frame.columns)
    levels = [name if name is not None else f"index {n}" if index.nlevels > 1 else "index"
              for n, name in enumerate(index.names, 1)]
    return frame.reset_index(names=[f"{name} (index)" if name in taken else name for name in levels])


def is_table(file: Any) -> bool:
    """Whether it is a file of the run that is read as a table."""
    return isinstance(file, File) and file.name.rpartition(".")[2].lower() in READ


def from_file(file: File) -> Rows:
    """The rows of a file of a table, by its ending. Raises `ValueError` with a sentence."""
    return _read(file.sha256, file.name.rpartition(".")[2].lower(), file)


@lru_cache(maxsize=4)
def _read(sha256: str, ending: str, file: File) -> Rows:
    """Remembered by content, as a run is drawn again and again."""
    try:
        if ending == "parquet":
            return records(_parquet(file))
        if ending in ("csv", "tsv"):
            with file.open() as lines:
                return _typed(csv.DictReader(lines, delimiter="," if ending == "csv" else "\t"))
        text = file.read_text()
        rows = [json.loads(line) for line in text.splitlines() if line] if ending == "jsonl" else json.loads(text)
        if isinstance(rows, dict) and isinstance(rows.get("schema"), dict):  # a frame a job returned, without parquet
            rows = _unindexed(rows)
    except (ValueError, csv.Error, RecursionError) as error:
        raise ValueError(f"{file.name} could not be read as a table: {error}.") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{file.name} is no table: it must hold a list of objects.")
    return rows


def _unindexed(table: dict[str, Any]) -> Any:
    """The rows of what pandas calls the table format, without an index that only counts."""
    rows, counts = table.get("data"), table["schema"].get("primaryKey") == ["index"]
    if not counts or not isinstance(rows, list) or any(
            not isinstance(row, dict) or row.get("index") != n for n, row in enumerate(rows)):
        return rows
    return [{name: value for name, value in row.items() if name != "index"} for row in rows]


def _parquet(file: File) -> Any:
    try:
        import pandas
    except ImportError:
        try:
            import polars
        except ImportError:
            raise ValueError(f"{file.name} needs pandas or polars; {installs('pandas')}") from None
        return polars.read_parquet(file.path)
    try:
        return pandas.read_parquet(file.path)
    except ImportError:
        raise ValueError(f"{file.name} needs pyarrow; {installs('pyarrow')}") from None


def _typed(rows: Iterable[dict[str, Any]]) -> Rows:
    """Rows of texts, with numbers where a whole column holds them; a code like 007 stays a text."""
    table = [{str(name): value for name, value in row.items() if name is not None} for row in rows]
    for name in table[0] if table else ():
        values = [row.get(name) for row in table]
        for kind in (int, float):
            try:
                read = [None if not value else kind(value) for value in values]
            except (ValueError, TypeError):
                continue
            if kind is int and any(value and str(number) != value for value, number in zip(values, read, strict=True)):
                break
            for row, number in zip(table, read, strict=True):
                row[name] = number
            break
    return table


def installs(package: str) -> str:
    """What to do about a package that is not installed."""
    return f"install it with: {install(package)}"
