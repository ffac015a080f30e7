"""Tables, literal text and exports."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
import json
from html import unescape

import pytest
from pydantic import BaseModel

from treadle.shows import Table, check, plain
from treadle.shows.exports import check as check_export
from treadle.shows.exports import make, size_hint, spreadsheet
from treadle.shows.table import cell
from treadle.web.markdown import render

ROWS = [{"host": "b.org", "n": 3}, {"host": "A.org", "n": 10}, {"host": None, "n": None}, {"host": "c.org", "n": 3}]


@dataclasses.dataclass
class Host:
    host: str
    n: int


class Model(BaseModel):
    host: str
    n: int


def hosts(table: Table, **options) -> list[str]:
    return [row[0] for row in table.page(**options).rows]


# -- tables


@pytest.mark.parametrize(("sort", "expected"), [
    ("", ["b.org", "A.org", "", "c.org"]), ("host", ["A.org", "b.org", "c.org", ""]),
    ("-host", ["c.org", "b.org", "A.org", ""]), ("n", ["b.org", "c.org", "A.org", ""]),
    ("-n", ["A.org", "b.org", "c.org", ""]), ("no such", ["b.org", "A.org", "", "c.org"]),
])
def test_sorting_is_stable_ignores_case_and_puts_empty_cells_last(sort, expected):
    assert hosts(Table(ROWS), sort=sort) == expected


def test_numbers_and_texts_in_one_column_sort_without_an_error():
    table = Table([{"v": value} for value in ("x", 2, None, 1.5, True, "", float("nan"))])
    assert hosts(table, sort="v") == ["yes", "1.5", "2", "x", "", "", ""]


def test_a_page_has_fifty_rows_and_says_where_it_is():
    table = Table([{"n": n} for n in range(120)])
    first, last = table.page(), table.page(number=3)
    assert (len(first.rows), first.first, first.last, first.total, first.pages) == (50, 1, 50, 120, 3)
    assert (last.rows[0], last.first, last.last) == (["100"], 101, 120)
    assert table.page(number=99).number == 3 and table.page(number=-1).number == 1


@pytest.mark.parametrize(("query", "expected"), [("ORG", 3), ("a.org", 1), ("10", 1), ("b.org 3", 1), ("zzz", 0)])
def test_searching_needs_every_word_in_a_row_in_any_case(query, expected):
    assert Table(ROWS).page(query=query).matched == expected


def test_a_number_is_found_with_and_without_its_commas():
    table = Table([{"n": 48210}])
    assert table.page(query="48210").matched == table.page(query="48,210").matched == 1


def test_an_empty_table_is_fine():
    page = Table([], sort="n").page()
    assert (page.rows, page.first, page.total, page.pages) == ([], 0, 0, 1)


@pytest.mark.parametrize("row", [Host("a", 1), Model(host="a", n=1), {"host": "a", "n": 1}])
def test_rows_are_dicts_dataclasses_or_models(row):
    assert Table([row]).records() == [{"host": "a", "n": 1}]


def test_other_rows_are_refused_by_number():
    with pytest.raises(TypeError, match="Row 2 of a Table is str"):
        Table([{}, "text"])


@pytest.mark.parametrize("options", [{"sort": "nope"}, {"columns": ["nope"]}])
def test_a_column_that_is_not_there_is_named(options):
    with pytest.raises(ValueError, match=r"nope.*host, n"):
        Table(ROWS, **options)


def test_too_many_rows_are_refused_with_the_limit(monkeypatch):
    monkeypatch.setattr("treadle.shows.table.ROWS_MOST", 3)
    with pytest.raises(ValueError, match="3 rows at most; this one has 4"):
        Table(ROWS)


def test_columns_choose_and_order():
    assert [column.name for column in Table(ROWS, columns=["n", "host"]).page().columns] == ["n", "host"]
    assert [column.number for column in Table(ROWS, columns=["n", "host"]).page().columns] == [True, False]


def test_the_hash_of_a_table_changes_with_what_it_shows():
    same, other = Table([{"a": 1}]), Table([{"a": 2}])
    assert same.sha256 == Table([{"a": 1}]).sha256 != other.sha256


@pytest.mark.parametrize(("value", "text"), [(4812, "4,812"), (0.18, "0.18"), (True, "yes"), (None, ""), ("=x", "=x"),
                                             ([1, "a"], '[1, "a"]'), (1234567.0, "1,234,567")])
def test_a_cell_reads_as_a_person_writes(value, text):
    assert cell(value) == text


# -- text


@pytest.mark.parametrize("text", [
    "*a* _b_ `c` [d](e) <b>f</b> # g | h ~~i~~ \\ &amp; ![j](k)", "# no heading", "- no list", "1. no list", "> no",
    "https://example.org/?a=b&c", "    no code", "a@b.org", "| a | b |", "***", "```", "a  ", "1) no list", "+ no list",
    "title\n---", "title\n=", "a\n:-:", "![a](b)", "2026-11-21 -- x", "&amp\\;",
])
def test_plain_text_is_shown_letter_for_letter(text):
    drawn = render(plain(text)).removeprefix("<p>").removesuffix("</p>").replace("<br>", "")
    assert unescape(drawn).replace("\u00a0", " ").strip() == text.strip()


def test_plain_text_keeps_its_lines_and_may_be_empty():
    assert render(plain("a\nb")).count("<br") == 1
    assert render(plain("a\n ")) == "<p>a</p>"
    assert plain("") == "" and plain(5) == "5"


def test_plain_text_is_readable_in_a_file():
    assert plain("O'Neil-Smith, J. (1.5 %)?") == "O'Neil-Smith, J. (1.5 %)?"


@pytest.mark.parametrize("thing", [object(), None, [1], {"a": 1}])
def test_what_cannot_be_shown_is_refused_with_its_type(thing):
    with pytest.raises(TypeError, match=type(thing).__name__):
        check(thing)


# -- exports


@pytest.mark.parametrize("value", ["=1+1", "@SUM(A1)", "\tx", "\rx", "-1+1", "+cmd|' /C calc'!A0", "-SUM(A1)", " =x",
                                   "+1-2", "-2*3", "\uff1dx", "+A1:B2", '-"a"&B1'])
def test_a_cell_a_spreadsheet_would_run_is_quoted(value):
    assert spreadsheet(value) == f"'{value}"


@pytest.mark.parametrize("value", ["-90%", "+word", "-2.5", "+49 30 1234", "-", "a=1", "", 5, -3, -0.5, None, "a@b"])
def test_a_cell_that_is_data_stays_as_it_is(value):
    assert spreadsheet(value) == value


@pytest.mark.parametrize(("ending", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_a_separated_export_reads_back_as_its_rows(ending, delimiter):
    rows = [{"name": 'a, "b"\nc', "n": 1}, {"name": "=x", "n": None}]
    made = make(f"a.{ending}", {"rows": rows})
    text = made.decode("utf-8-sig")
    assert made.startswith(codecs.BOM_UTF8)  # else Excel takes it for the encoding of the country
    assert list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)) == [
        {"name": 'a, "b"\nc', "n": "1"}, {"name": "'=x", "n": ""}]


def test_headings_of_an_export_are_quoted_too():
    assert make("a.csv", {"rows": [{"=x": 1}]}) == codecs.BOM_UTF8 + b"'=x\r\n1\r\n"


def test_json_holds_all_names_and_tables_as_rows():
    data = {"note": "ü", "rows": Table([{"n": 2}, {"n": 10}], sort="-n"), "models": [Model(host="a", n=1)]}
    assert json.loads(make("a.json", data)) == {"note": "ü", "rows": [{"n": 10}, {"n": 2}],
                                                "models": [{"host": "a", "n": 1}]}


def test_markdown_and_html_have_a_section_a_name_and_escape_what_they_hold():
    data = {"a": [{"x": "1|2"}], "b": "<script>alert(1)</script>"}
    assert make("x.md", data).decode() == "## a\n\n| x |\n| --- |\n| 1\\|2 |\n\n## b\n\n<script>alert(1)</script>\n"
    page = make("x.html", data).decode()
    assert "<h2>a</h2>" in page and "<td>1|2</td>" in page and "&lt;script&gt;" in page and "<script" not in page


@pytest.mark.parametrize(("name", "data"), [("a.docx", {"a": []}), ("a", {"a": 1}), ("a.csv", {"a": "text"}),
                                            ("a.csv", {"a": [], "b": []}), ("a.csv", {})])
def test_an_export_that_cannot_be_made_is_refused_by_name(name, data):
    with pytest.raises(TypeError, match=repr(name)):
        check_export(name, data)


def test_the_list_of_downloads_tells_the_rows():
    assert size_hint("a.csv", {"rows": [{"a": 1}]}) == "1 row, made when you ask for it"
    assert size_hint("a.csv", {"rows": []}) == "0 rows, made when you ask for it"
