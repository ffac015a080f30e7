"""The helpers of the plugins that work on tables: reading, cleaning, joining."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins import _tables
from plugins._cleaning import ALL, FIXES, MONTH_FIRST, NO_DUPLICATES, Settings, changes, clean, fixed, renames
from plugins._gap import BY_PATH, BY_TEXT, KEYS, WEIGHTS, List, compare, guess, name_of, normal
from plugins._tables import _kind, date_of, decimal_of, describe, number_of, read, type_of
from treadle.files import File, FileId


def progress(done: int, total: int | None = None, text: str = "") -> None:
    """What a job gives to a function that reports."""


@pytest.fixture
def upload(tmp_path: Path) -> Callable[..., File]:
    def of(data: bytes, name: str = "table.csv") -> File:
        path = tmp_path / "0123"
        path.write_bytes(data)
        return File(FileId("0123"), name, len(data), str(hash(data)), path)
    return of


def rows_of(file: File) -> list[dict[str, str]]:
    return read(file, progress)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_table_is_read_whatever_its_delimiter_and_encoding(upload, delimiter, encoding):
    text = "\r\n".join(delimiter.join(row) for row in
                       [["Käufer", "Betrag"], ["Ada", f'"1{delimiter}5"'], ["", ""], ["Grace", "2"]])
    file = upload(text.encode(encoding))
    assert rows_of(file) == [{"Käufer": "Ada", "Betrag": f"1{delimiter}5"}, {"Käufer": "Grace", "Betrag": "2"}]
    about = describe(file, rows_of(file))
    assert (about["ragged"], about["format"]) == (0, "text")


def test_the_delimiter_may_be_said_in_the_first_line_as_excel_wants_it(upload):
    assert rows_of(upload(b"sep=|\na|b,c\n1|2,3\n")) == [{"a": "1", "b,c": "2,3"}]


def test_short_and_long_rows_and_odd_headers_lose_no_cell(upload):
    file = upload(b"a,,a\n1,2\n3,4,5,6\n")
    assert rows_of(file) == [
        {"a": "1", "Column 2": "2", "a 2": "", "Column 4": ""},
        {"a": "3", "Column 2": "4", "a 2": "5", "Column 4": "6"}]
    assert describe(file, rows_of(file))["ragged"] == 2
    assert rows_of(upload(b"a,Column 3\n1,2,3\n")) == [{"a": "1", "Column 3": "2", "Column 3 2": "3"}]


def test_a_sheet_of_excel_is_read_as_text(upload):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["url", "clicks", "share"])
    book.active.append(["https://example.org/", 12.0, 0.5])
    out = io.BytesIO()
    book.save(out)
    file = upload(out.getvalue(), "table.xlsx")
    assert rows_of(file) == [{"url": "https://example.org/", "clicks": "12", "share": "0.5"}]
    assert describe(file, rows_of(file))["format"] == "XLSX, sheet Sheet"


@pytest.mark.parametrize(("data", "said"), [
    (b"", "is empty"), (b"a,b\n", "holds no rows"), (b"a\0b\n1", "is not text"), (b"PK\x03\x04 no archive", "XLSX")])
def test_what_is_no_table_is_said(upload, data, said):
    with pytest.raises(ValueError, match=said):
        rows_of(upload(data))


def sheet(rows: bytes, dimension: bytes = b"") -> bytes:
    """A spreadsheet of which the sheet is written by hand."""
    openpyxl = pytest.importorskip("openpyxl")
    made, out = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(made)
    text = (b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">' + dimension
            + b"<sheetData>" + rows + b"</sheetData></worksheet>")
    with zipfile.ZipFile(made) as book, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in book.namelist():
            packed.writestr(name, text if name.endswith("sheet1.xml") else book.read(name))
    return out.getvalue()


def test_a_sheet_that_says_it_is_as_wide_as_can_be_costs_nothing_and_one_that_is_ends(upload, monkeypatch):
    rows = [b'<row r="%d"><c r="A%d"><v>1</v></c>%%s</row>' % (number, number) for number in range(1, 1_501)]
    began = time.monotonic()
    found = rows_of(upload(sheet(b"".join(row % b"" for row in rows), b'<dimension ref="A1:XFD1048576"/>'), "a.xlsx"))
    assert (len(found), time.monotonic() - began < 1.5) == (1_499, True)
    monkeypatch.setattr(_tables, "MOST_CELLS", 100_000)
    wide = sheet(b"".join(row % b'<c r="XFD%d"/>' % number for number, row in enumerate(rows, 1)))
    with pytest.raises(ValueError, match="more than 100,000 cells"):
        rows_of(upload(wide, "a.xlsx"))


def test_a_spreadsheet_that_is_broken_within_is_said(upload):
    with pytest.raises(ValueError, match="could not be read as XLSX"):
        rows_of(upload(sheet(b"<row")))


def test_more_rows_than_the_limit_are_refused(upload):
    with pytest.raises(ValueError, match="more than 100,000 rows"):
        rows_of(upload(b"a\n" + b"1\n" * 100_001))


@pytest.mark.parametrize(("values", "kind"), [
    (["1", "2,000", "-3"], "whole number"), (["1", "2.5"], "number"), (["12%", "3,5%"], "number"), (["0049"], "text"),
    (["2026-11-21", "21.11.2026"], "date"), (["https://a.example/"], "URL"), (["a@b.example"], "email"),
    (["yes", "No"], "yes or no"), (["a", "1"], "text"), ([], "empty")])
def test_the_type_of_a_column_is_what_nearly_all_of_it_is(values, kind):
    assert type_of(values) == kind


@pytest.mark.parametrize(("text", "number"), [
    ("1,234", 1234), ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("0,5", 0.5), ("1 234", 1234), ("12%", 12),
    ("1.234.567", 1234567), ("-3", -3), ("no", None), ("", None), ("5 pcs", None), ("1.234", 1.234),
    ("0,125", 0.125), (",125", 0.125), ("1234,567", 1234.567), ("1,234,567.8", 1234567.8), ("-1,234", -1234)])
def test_a_number_is_read_whichever_marks_it_uses(text, number):
    assert number_of(text) == number


def test_a_date_with_slashes_is_read_as_one_says():
    assert (date_of("03/04/2026"), date_of("03/04/2026", month_first=True)) == ("2026-04-03", "2026-03-04")
    assert date_of("2026-11-21 10:30") == "2026-11-21 10:30:00"
    assert date_of("soon") == ""


ROWS: list[dict[str, Any]] = [
    {"name": " Ada  L. ", "mail": "ADA@B.example", "sum": "1.234,5", "day": "11/12/2026"},
    {"name": "Ada L.", "mail": "ada@b.example", "sum": "1,234.50", "day": "12/11/2026"},
    {"name": " ", "mail": "", "sum": "", "day": ""}]


def test_a_table_is_cleaned_as_chosen_and_says_what_changed():
    names = {"name": "Name", "mail": "mail", "sum": "sum"}
    settings = Settings(names, list(FIXES), ALL)
    assert clean(ROWS, settings, progress) == [{"Name": "Ada L.", "mail": "ada@b.example", "sum": "1234.5"}]
    said = changes(ROWS, settings, progress)
    assert (said["empty"], said["duplicates"]) == (1, 1)
    assert {row["column"]: row["cells"] for row in said["changed"]} == {"name": 2, "mail": 1, "sum": 2}
    assert said["sample"][0] == {"row": 1, "column": "name", "before": " Ada  L. ", "after": "Ada L."}


def test_a_column_keeps_the_first_row_of_each_value_and_nothing_else_changes():
    settings = Settings({"sum": "sum", "day": "day"}, ["dates"], "sum", MONTH_FIRST)
    assert [row["day"] for row in clean(ROWS, settings, progress)] == ["2026-11-12", "2026-12-11", ""]
    same = Settings({"name": "name"}, [], NO_DUPLICATES)
    assert clean(ROWS, same, progress) == [{"name": row["name"]} for row in ROWS]


@pytest.mark.parametrize(("text", "said"), [("a", "not like"), ("x = y", "no column 'x'"), ("a = b", "called 'b'")])
def test_a_new_name_that_cannot_be_is_refused_with_its_line(text, said):
    with pytest.raises(ValueError, match=said):
        renames(text, ["a", "b"])
    assert renames("\na = c\n", ["a", "b"]) == {"a": "c", "b": "b"}


def test_lists_are_joined_by_key_and_the_heaviest_comes_first():
    mine = [{"Keyword": "Red shoes", "Volume": "100"}, {"Keyword": "blue  shoes", "Volume": "1,000"}]
    theirs = [{"q": "red shoes", "v": "90"}, {"q": "green shoes", "v": "5,000"}, {"q": " ", "v": "9"}]
    rows = compare([List("You", "Keyword", "Volume"), List("They", "q", "v")], [mine, theirs], BY_TEXT, progress)
    assert [(row["Keyword"], row["has"], row["priority"]) for row in rows] == [
        ("green shoes", "They", 5000), ("blue  shoes", "You", 1000), ("Red shoes", "You, They", 100)]
    assert [(row["You: Volume"], row["They: v"]) for row in rows] == [("", 5000), (1000, ""), (100, 90)]


@pytest.mark.parametrize(("text", "path"), [
    ("https://a.example/Shop/?x=1", "/shop"), ("www.b.example/shop", "/shop"), ("/shop/", "/shop"),
    ("https://a.example", "/"), ("http://[broken/", "http://[broken/")])
def test_pages_of_different_hosts_are_one_by_their_path(text, path):
    assert normal(text, BY_PATH) == path


def test_the_columns_of_an_export_are_guessed_by_their_names():
    columns = ["#", "Top queries", "Clicks", "Impressions"]
    assert (guess(columns, KEYS), guess(columns, WEIGHTS)) == ("Top queries", "Clicks")
    assert guess(["Landing page URL", "x"], KEYS) == "Landing page URL"
    assert guess(["x"], WEIGHTS) is None


def test_a_list_is_called_as_its_file_and_no_two_the_same():
    lists: list[List] = []
    for file in ("a, b.csv", "x.tsv", "x.xlsx", "x.csv", ".csv"):
        lists.append(List(name_of(file, lists), "", ""))
    names = [each.name for each in lists]
    assert names[:3] == ["a  b", "x", "x 2"] and names[3:] == ["x 3", "List"]


def test_a_table_of_too_many_columns_or_cells_is_refused_at_once(upload, monkeypatch):
    with pytest.raises(ValueError, match="columns"):
        rows_of(upload(b"a," * 300_000 + b"\n1\n"))
    monkeypatch.setattr(_tables, "MOST_CELLS", 100)
    with pytest.raises(ValueError, match="cells"):
        rows_of(upload(b"a,b\n" + b"1,2\n" * 60))


def test_a_spreadsheet_that_unpacks_to_too_much_is_refused(upload, monkeypatch):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active["XFD1"] = "far"
    book.active["A2"] = "near"
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(ValueError, match="columns"):
        rows_of(upload(out.getvalue(), "far.xlsx"))
    packed = sheet(b'<row r="1"><c r="A1"><v>1</v></c></row>' + b"<!-- -->" * 3_000_000)
    with pytest.raises(ValueError, match="unpacked it is over the limit, 24 MB"):
        rows_of(upload(packed, "bomb.xlsx"))
    monkeypatch.setattr(_tables, "MOST_UNPACKED", 1_000)
    with pytest.raises(ValueError, match="unpacked it is over"):
        rows_of(upload(out.getvalue(), "large.xlsx"))


def test_what_looks_like_an_address_is_told_in_time():
    began = time.process_time()
    assert type_of([f"a@{'.' * 100_000}@"]) == "text"
    assert type_of(["ada@mail.example.org"]) == "email"
    assert time.process_time() - began < 1


def test_among_whole_numbers_a_mark_is_one_of_thousands_and_what_does_not_fit_stays():
    assert (number_of("12.100", "whole number"), number_of("12.5", "whole number")) == (12_100, 12.5)
    assert fixed("5 pcs", "number", ["numbers"], month_first=False) == "5 pcs"
    assert fixed("1.234,50 %", "number", ["numbers"], month_first=False) == "1234.5%"


@pytest.mark.parametrize(("cells", "read"), [
    (["1,375", "0,125"], [1.375, 0.125]), (["1,375", "12,5"], [1.375, 12.5]), (["2,500", "1234,567"], [2.5, 1234.567]),
    (["1,375", "2.000,125"], [1.375, 2000.125]), (["1,375", "1.234.567"], [1.375, 1234567]),
    (["1,375", "0.5"], [1375, 0.5]), (["1,375", "1,234,567"], [1375, 1234567]), (["1.375", "12,5%"], [1375, 12.5]),
    (["1.375", "2.500"], [1375, 2500]), (["1.375", "-0.125"], [1.375, -0.125]), (["1,375", "2,500"], [1375, 2500]),
    (["1,375", "0,5", "0,25", "0.5"], [1.375, 0.5, 0.25, 0.5])])
def test_one_cell_that_shows_the_mark_of_decimals_shows_it_for_its_column(cells, read):
    rows = [{"sum": cell} for cell in cells]
    cleaned = clean(rows, Settings({"sum": "sum"}, ["numbers"], NO_DUPLICATES), progress)
    assert [float(row["sum"].rstrip("%")) for row in cleaned] == read


def test_only_numbers_show_the_mark_of_a_column_and_an_odd_cell_is_read_as_it_stands():
    assert (decimal_of(["1,375", "v1.5", "1.2.3", ""]), decimal_of(["1,375", "12"])) == ("", "")
    assert (number_of("12.5", decimal=","), number_of("1,234,567", decimal=",")) == (12.5, 1234567)
    assert [number_of(text) for text in ("192.168.1.1", "1.2.3", "12.10.2024", "1,2345.5")] == [None] * 4
    assert number_of("12,34,567") == 1234567
    assert [_kind(text) for text in ("-0,125", "+0049", "0", "-7")] == ["number", "text", *["whole number"] * 2]
    assert number_of("1.234,567,890") is None


def test_the_weights_of_a_list_are_read_by_their_column():
    rows = compare([List("You", "q", "v")], [[{"q": "a", "v": "1,375"}, {"q": "b", "v": "0,5"}]], BY_TEXT, progress)
    assert [row["priority"] for row in rows] == [1.375, 0.5]
