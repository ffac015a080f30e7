"""Tables from elsewhere: frames, files, what an each returned; and what is exported of them."""

from __future__ import annotations

import csv
import enum
import io
import json
from dataclasses import replace

import pytest

from treadle.files import File, FileId
from treadle.results import Failed, Results, Row
from treadle.shows import Table, check
from treadle.shows import exports as exporting
from treadle.shows import table as tables
from treadle.shows.digest import digest
from treadle.shows.exports import check as check_export
from treadle.shows.exports import make, size_hint
from treadle.shows.table import cell


class Stored:
    """The rows of an each: the first failed, the others are what is given."""

    def __init__(self, *values) -> None:
        self.values = values

    def page(self, number: int) -> list[Row]:
        return [Row(0, "failed", None, "Timed out"),
                *(Row(n, "done", json.dumps(value), "") for n, value in enumerate(self.values, 1))]

    def count(self) -> int:
        return len(self.values) + 1

    def done(self) -> list[int]:
        return list(range(1, len(self.values) + 1))

    def open_file(self, id: str) -> File:
        raise AssertionError(id)


def results(*values, items=None) -> Results:
    return Results(Stored(*values), json.loads, "hash", items or [{"url": "/a"}, *range(len(values))])


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema": 5}', '{"schema": {"primaryKey": ["index"]}, "data": [1]}'])
def test_json_that_is_no_table_is_said(tmp_path, text):
    with pytest.raises(ValueError, match=r"a.json .*table"):
        len(Table(file_of(tmp_path, "a.json", text)))


def file_of(path, name: str, text: str) -> File:
    (path / name).write_text(text)
    return File(FileId("0" * 32), name, len(text), digest(text), path / name)


def test_how_many_a_long_list_has_is_known_without_its_rows():
    class Long(Stored):
        def count(self) -> int:
            return 100_000

        def done(self) -> list[int]:
            raise AssertionError("that holds the loop 0.2 s")

    assert len(Results(Long(), json.loads, "hash")) == 100_000


# -- frames


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


def test_a_frame_is_shown_with_what_is_missing_left_empty(pandas):
    frame = pandas.DataFrame({"n": [1, None], "when": pandas.to_datetime(["2026-11-18", None]), "t": ["a", None]})
    page = Table(frame, sort="-n").page()
    assert page.rows == [["1", "2026-11-18 00:00:00", "a"], ["", "", ""]]
    assert [column.number for column in page.columns] == [True, False, False]
    check(frame)
    assert Table(pandas.DataFrame()).page().rows == []


def test_an_index_that_says_something_is_a_column(pandas):
    counts = pandas.Series(["a", "b", "a"], name="host").value_counts()
    assert Table(counts, sort="-count").page().rows == [["a", "2"], ["b", "1"]]
    two = pandas.DataFrame({"x": [1], "index": [2]}, index=["i"])
    assert Table(two).columns == ("index (index)", "x", "index") or len(Table(two).columns) == 3


def test_a_frame_is_not_read_before_it_is_drawn_and_its_hash_says_what_it_holds(pandas):
    frame = pandas.DataFrame({"a": range(5)})
    table = Table(frame)
    assert len(table) == 5 and "rows" not in vars(table)
    assert table.sha256 == Table(frame.copy()).sha256 != Table(frame + 1).sha256
    assert digest(frame) == digest(frame.copy()) != digest(frame + 1)
    assert Table(pandas.DataFrame({"a": [[1]]})).sha256 != Table(pandas.DataFrame({"a": [[2]]})).sha256


def test_too_large_a_frame_says_what_to_show_instead(pandas, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_MOST", 3)
    with pytest.raises(TypeError, match=r"3 rows at most.*head\(\)"):
        check(pandas.DataFrame({"a": range(4)}))


def test_a_frame_of_polars_is_a_table():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, None], "b": ["x", "y"]})
    assert Table(frame).page().rows == [["1", "x"], ["", "y"]]
    assert digest(frame) != digest(frame.head(1))
    with pytest.raises(TypeError, match=r"collect\(\)"):
        check(frame.lazy())


# -- files and results


@pytest.mark.parametrize(("name", "text", "rows"), [
    ("a.csv", "code,n\n007,2\n012,10\n", [{"code": "007", "n": 2}, {"code": "012", "n": 10}]),
    ("a.tsv", "a\tb\n1.5\t\n", [{"a": 1.5, "b": None}]), ("a.json", '[{"a": 1}]', [{"a": 1}]),
    ("a.jsonl", '{"a": 1}\n{"b": 2}\n', [{"a": 1}, {"b": 2}]),
    ("a.json", '{"schema": {"primaryKey": ["index"]}, "data": [{"index": 0, "a": 1}]}', [{"a": 1}]),
])
def test_a_file_of_a_table_is_read_by_its_ending(tmp_path, name, text, rows):
    assert Table(file_of(tmp_path, name, text)).rows == rows


@pytest.mark.parametrize("text", ["[1]", "{}", "{"])
def test_a_file_that_is_no_table_says_so(tmp_path, text):
    with pytest.raises(ValueError, match=r"a\.json"):
        _ = Table(file_of(tmp_path, "a.json", text)).rows


def test_results_are_rows_and_a_failed_item_has_its_error():
    given = results({"url": "/b", "status": 200}, {"url": "/c", "status": 404})
    assert Table(given, sort="-status").page().rows == [["/c", "", "404"], ["/b", "", "200"], ["/a", "Timed out", ""]]
    assert Table(results(5, items=["x", "y"])).rows == [{"item": "x", "error": "Timed out"}, {"value": 5}]
    assert Table(given).sha256 == Table(given).sha256 != Table(given, columns=["url"]).sha256


def test_results_are_not_read_before_they_are_drawn():
    table = Table(results({"url": "/b"}))
    assert len(table) == 2 and "rows" not in vars(table)
    with pytest.raises(ValueError, match="no column 'x'"):
        _ = Table(results({"url": "/b"}), columns=["x"]).columns


@pytest.mark.parametrize("sort", ["n", "-n", "t", "-t"])
def test_sorting_in_pieces_is_sorting(monkeypatch, sort):
    rows = [{"n": n * 7 % 13, "t": str(n % 5), "id": n} for n in range(50)] + [{"n": None, "t": "", "id": 50}]
    whole = Table(rows).sorted(sort)
    monkeypatch.setattr(tables, "CHUNK", 4)
    assert Table(rows).sorted(sort) == whole
    assert [row[2] for row in Table(rows).page(sort=sort).rows] == [str(row["id"]) for row in whole[:50]]


def test_a_cell_of_any_kind_has_a_text():
    numpy = pytest.importorskip("numpy")
    kind = enum.Enum("kind", {"A": "first"})
    assert [cell(value) for value in (numpy.int64(4812), numpy.array([1, 2]), kind.A, {("a", 1): 2})] == [
        "4,812", "[1, 2]", "first", '{"(\'a\', 1)": 2}']
    assert Table([{"n": numpy.float64(2)}, {"n": numpy.int64(10)}]).page(sort="-n").rows == [["10"], ["2"]]
    assert Table([{"a": {("a", 1): 2}}]).sha256


# -- exports


def sheets(content: bytes) -> dict:
    book = pytest.importorskip("openpyxl").load_workbook(io.BytesIO(content))
    return {sheet.title: [list(row) for row in sheet.values] for sheet in book}


@pytest.mark.parametrize(("text", "written"), [
    ("a;=1", "a;'=1"), ('a; "@x', 'a; "\'@x'), ("a;+cmd|x", "a;'+cmd|x"), ("a;-SUM(1)", "a;'-SUM(1)"),
    ("so ;-) it is", "so ;-) it is"), ("a;-1", "a;-1"), ("?a=1;b=2", "?a=1;b=2")])
def test_no_cell_runs_where_semicolons_separate_cells_either(text, written):
    rows = [{"a": text}]
    assert list(csv.reader(make("a.csv", {"rows": rows}).decode("utf-8-sig").splitlines())) == [["a"], [written]]


def test_a_spreadsheet_has_a_sheet_a_name():
    rows = [{"url": "=1+1", "n": 2.5, "bad\x01": "a\x02"}]
    data = {"rows: [all]": rows, "rows  all": {"a": 1}, "note": "text", "x" * 40: [], "x" * 41: []}
    book = sheets(make("a.xlsx", data))
    assert list(book) == ["rows   all", "rows  all", "note", "x" * 31, "x" * 29 + " 2"]
    assert book["rows   all"] == [["url", "n", "bad\ufffd"], ["'=1+1", 2.5, "a\ufffd"]]
    assert book["rows  all"] == [["a", 1]] and book["note"] == [["text"]]


def test_a_spreadsheet_without_its_package_says_which_command_installs_it(monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(TypeError, match="-m pip install openpyxl"):
        make("a.xlsx", {"a": []})
    assert "-m pip install openpyxl" in size_hint("a.xlsx", {"a": []})


def test_whole_numbers_a_spreadsheet_would_round_are_text_in_it():
    rows = sheets(make("a.xlsx", {"rows": [{"id": 9_007_199_254_740_993, "n": 999_999_999_999_999},
                                           {"id": 10**400, "n": -5}]}))["rows"]
    assert rows[1] == ["9007199254740993", 999_999_999_999_999]
    assert rows[2] == [str(10**400), -5]


@pytest.mark.parametrize("ending", ["csv", "json", "md", "html", "xlsx"])
def test_a_failed_item_has_its_error_in_a_column(ending):
    content = make(f"a.{ending}", {"rows": results({"url": "/b"})})
    if ending == "xlsx":
        assert sheets(content)["rows"] == [["url", "error"], ["/a", "Timed out"], ["/b", None]]
    elif ending == "json":
        assert json.loads(content) == {"rows": [{"url": "/a", "error": "Timed out"}, {"url": "/b"}]}
    else:
        assert b"error" in content and b"Timed out" in content


@pytest.mark.parametrize("ending", ["csv", "json", "md", "html", "xlsx"])
def test_frames_and_files_of_tables_are_exported_as_rows(pandas, tmp_path, ending):
    for table in (pandas.DataFrame({"a": [1, 2]}), file_of(tmp_path, "a.csv", "a\n1\n2\n")):
        content = make(f"a.{ending}", {"rows": table})
        if ending == "json":
            assert json.loads(content) == {"rows": [{"a": 1}, {"a": 2}]}
        elif ending == "csv":
            assert content.decode("utf-8-sig") == "a\r\n1\r\n2\r\n"
        elif ending == "xlsx":
            assert sheets(content)["rows"] == [["a"], [1], [2]]
        else:
            assert b"1" in content and b"2" in content


def test_a_file_in_json_is_told_by_name_and_hash(tmp_path):
    file = replace(file_of(tmp_path, "a.bin", "x"), name="a.bin")
    assert json.loads(make("a.json", {"given": [file]}))["given"] == [
        {"name": "a.bin", "size": 1, "sha256": file.sha256}]


def test_keys_no_file_holds_are_a_clear_error():
    with pytest.raises(TypeError, match=r"'a\.json': counts has the key \('a', 1\), a tuple"):
        check_export("a.json", {"counts": {("a", 1): 2}})
    with pytest.raises(TypeError, match=r"'a\.json' cannot be written: keys must be"):
        make("a.json", {"counts": [{("a", 1): 2}]})


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "md", "html", "xlsx"])
def test_half_a_surrogate_is_exported_replaced(ending):
    content = make(f"a.{ending}", {"a": [{"half \ud83d": "half \ud83d", "n": 1}]})
    assert ending == "xlsx" or "half \ufffd" in content.decode()


def test_a_failed_item_of_a_plain_list_has_its_error_too():
    assert json.loads(make("a.json", {"rows": [Failed("x", "No"), 5]})) == {"rows": [{"item": "x", "error": "No"}, 5]}
