from __future__ import annotations

import gzip
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.play import exports, play, shown
from treadle.config import ROOT, Settings
from treadle.errors import InvalidAnswer
from treadle.fields.types import FileId
from treadle.files import File
from treadle.plugins.registry import Plugins
from treadle.shows import Table
from treadle.workflow import Workflow

URLS = """https://example.org/
https://example.org/guides/returns?page=1&sort=price
https://example.org/guides/returns?page=2
https://www.example.org/shop/#top

https://www.example.org/shop/
no url at all
"""


@pytest.fixture(scope="module")
def url_counts() -> Workflow:
    plugins = Plugins(Settings(plugins=ROOT / "plugins"))
    plugins.load()
    found = plugins.get("url_counts")
    assert isinstance(found, Workflow)
    return found


@pytest.fixture(scope="module")
def urls(url_counts: Workflow) -> ModuleType:
    """The helper, of the version that is loaded."""
    return importlib.import_module(f"treadle_plugins.{url_counts.code}._urls")


@pytest.fixture
def upload(tmp_path: Path) -> Callable[..., File]:
    """A file of a run with these bytes."""
    def of(data: bytes, name: str = "list.csv") -> File:
        path = tmp_path / "0123"
        path.write_bytes(data)
        return File(FileId("0123"), name, len(data), str(hash(data)), path)
    return of


async def pasted(flow: Workflow, text: str, duplicates: str = "Count each URL once") -> Any:
    return await play(flow, {"Source": "Paste a list", "URLs": text, "Duplicates": duplicates})


async def uploaded(flow: Workflow, file: File) -> Any:
    return await play(flow, {"Source": "Upload a file", "URLs": file.id, "Duplicates": "Count every line"},
                      {file.id: file})


def hosts(drawing: Any) -> dict[str, int]:
    return {row["host"]: row["urls"] for row in exports(drawing)["hosts.csv"]["rows"]}


async def test_a_pasted_list_is_counted_by_host_depth_and_parameter(url_counts):
    drawing = await pasted(url_counts, URLS)
    assert drawing.finished
    data = {name: held["rows"] for name, held in exports(drawing).items()}
    assert data["hosts.csv"] == [{"host": "example.org", "urls": 3}, {"host": "www.example.org", "urls": 1}]
    assert [(row["depth"], row["urls"]) for row in data["depths.csv"]] == [(0, 1), (1, 1), (2, 2)]
    assert [(row["parameter"], row["urls"], row["values"]) for row in data["parameters.csv"]] == [
        ("page", 2, 2), ("sort", 1, 1)]
    assert data["no-urls.csv"] == [{"line": 7, "text": "no url at all", "why": "no URL"}]
    assert shown(drawing)[0] == ("**4 URLs** on 2 hosts. 1 duplicate left out, 1 line without a URL, 1 blank.")


async def test_every_line_counts_where_that_is_asked_for(url_counts):
    assert hosts(await pasted(url_counts, URLS, "Count every line")) == {"example.org": 3, "www.example.org": 2}


async def test_the_tables_are_sorted_by_what_matters(url_counts):
    tables = [thing for thing in shown(await pasted(url_counts, URLS)) if isinstance(thing, Table)]
    assert [table.sort for table in tables] == ["-urls", "depth", "-urls", "line"]


async def test_a_list_without_parameters_says_so(url_counts):
    drawing = await pasted(url_counts, "https://example.org/")
    assert "### Query parameters\n\nNone of these URLs has one." in shown(drawing)
    assert sorted(exports(drawing)) == ["depths.csv", "hosts.csv"]


@pytest.mark.parametrize(("text", "said"), [
    ("nothing\nhere", "No URL was found"),
    ("https://example.org/\n" * 50_001, "50,001 lines is over the limit of 50,000"),
    ("https://e.org " * 50_001, "50,001 URLs is over the limit of 50,000")])
async def test_what_cannot_be_counted_is_refused_when_it_is_given(url_counts, text, said):
    with pytest.raises(InvalidAnswer, match=said):
        await pasted(url_counts, text)


async def test_a_file_over_the_limit_is_refused_with_both_sizes(url_counts, upload):
    with pytest.raises(InvalidAnswer, match=r"list\.csv is 5\.0 MB; the limit is 5 MB"):
        await uploaded(url_counts, upload(b"https://example.org/" + b" " * 5_000_000))


@pytest.mark.parametrize("data", [
    URLS.encode("utf-8-sig"), URLS.encode("utf-16"), URLS.replace("\n", "\r\n").encode(), URLS.encode("cp1252")],
    ids=["bom", "utf-16", "crlf", "cp1252"])
async def test_a_file_is_read_whatever_its_encoding_and_line_ends(url_counts, upload, data):
    drawing = await uploaded(url_counts, upload(data))
    assert hosts(drawing) == {"example.org": 3, "www.example.org": 2}
    assert [row["line"] for row in exports(drawing)["no-urls.csv"]["rows"]] == [7]


async def test_a_file_that_is_no_text_is_refused(url_counts, upload):
    for data in (gzip.compress(URLS.encode()), bytes(range(256)) * 20 + b"\nx.yz\n"):
        with pytest.raises(InvalidAnswer, match=r"list\.csv\.gz is not text"):
            await uploaded(url_counts, upload(data, "list.csv.gz"))


async def test_the_longest_list_is_drawn_well_within_the_second_a_drawing_has(url_counts, urls):
    text = "\n".join(f"https://www{n % 99}.example.org/a{n}/b/?page={n}&utm_source=mail" for n in range(50_000))
    urls.read.cache_clear()
    began = time.process_time()
    drawing = await pasted(url_counts, text)
    assert time.process_time() - began < 3  # the check, and four replays twice over
    assert sum(hosts(drawing).values()) == 50_000


async def test_a_table_shows_its_largest_rows_and_the_export_holds_all(url_counts):
    drawing = await pasted(url_counts, "\n".join(f"https://h{n}.example.org/" for n in range(5_001)))
    assert any("The 5,000 largest of 5,001." in str(thing) for thing in shown(drawing))
    assert max(len(thing) for thing in shown(drawing) if isinstance(thing, Table)) == 5_000
    assert len(exports(drawing)["hosts.csv"]["rows"]) == 5_001


# the helper: one URL

@pytest.mark.parametrize(("text", "host", "path", "query"), [
    ("https://EXAMPLE.org:443/a/../b", "example.org", "/b", ""),
    ("http://example.org:8080", "example.org:8080", "/", ""),
    ("example.org/x?a=1#part", "example.org", "/x", "a=1"),
    ("example.org:8080/path", "example.org:8080", "/path", ""),
    ("//example.org", "example.org", "/", ""),
    ("localhost:8000/x", "localhost:8000", "/x", ""),
    ("1.2.3.4/x", "1.2.3.4", "/x", ""),
    ("http://[2001:DB8::0:1]:8080/x", "[2001:db8::1]:8080", "/x", ""),
    ("http://münchen.de/", "münchen.de", "/", ""),
    ("http://XN--MNCHEN-3YA.de/", "münchen.de", "/", ""),
    ("https://user:pw@host.example/", "host.example", "/", ""),
    ("https://www.example.org./", "www.example.org", "/", ""),
    ("https://example.org/a b", "example.org", "/a b", ""),
    ("https://example.org/?a=1&amp;b=2", "example.org", "/", "a=1&b=2"),
    ("- https://example.org/,", "example.org", "/", ""),
    ("12. https://example.org/x;", "example.org", "/x", ""),
    ("\ufeff\u200b <https://example.org/> \u00a0", "example.org", "/", ""),
    ("https://example.org\\x", "example.org", "/x", "")])
def test_a_url_is_read_however_it_is_written(urls, text, host, path, query):
    url = urls.parse(text.strip(urls.JUNK))
    assert (url.host, url.path, url.query) == (host, path, query)


@pytest.mark.parametrize(("text", "why"), [
    ("hello", "no URL"), ("hello world", "no URL"), ("3.14", "no URL"), ("mailto:a@b.de", "no URL"),
    ("a@b.de", "no URL"), ("javascript:alert(1)", "no URL"),
    ("/guides/returns", "no host"), ("https://", "no host"), ("http:///x", "no host"),
    ("file:///etc/passwd", "the scheme file is not counted"), ("http://300.1.1.1/", "the host is not valid"),
    ("http://exa mple.org/", "the host is not valid"), ("http://example.org:99999/", "the host is not valid"),
    ("http://[::1/", "the host is not valid"), ("http://[x]/", "the host is not valid"),
    ("http://a..b/", "the host is not valid"), (f"http://{'a' * 64}.org/", "the host is not valid")])
def test_what_is_no_url_is_said_with_the_reason(urls, text, why):
    assert urls.parse(text) == why


def test_depth_counts_the_parts_of_a_path(urls):
    depths = {path: urls.depth(urls.parse(f"https://example.org{path}"))
              for path in ("", "/", "/a", "/a/", "//a//b/", "/a/b/c.html", "/a/./b/..")}
    assert depths == {"": 0, "/": 0, "/a": 1, "/a/": 1, "//a//b/": 2, "/a/b/c.html": 3, "/a/./b/..": 1}


def test_parameters_are_read_by_name(urls):
    url = urls.parse("https://example.org/?a=1&b&c%5B%5D=x&&=5&d+e=%C3%A9")
    assert list(urls.parameters(url)) == [("a", "1"), ("b", ""), ("c[]", "x"), ("", "5"), ("d e", "%C3%A9")]


# the helper: a list

@pytest.mark.parametrize("text", [
    "url,status\nhttps://a.example/x,200\nhttps://b.example/,404\n",
    'Status;Page URL\n200;"https://a.example/x"\n404;https://b.example/\n',
    "Seite\tAnzahl\nhttps://a.example/x\t5\nhttps://b.example/\t6\n",
    "https://a.example/x\t5\nhttps://b.example/\t6\n",
    '"https://a.example/x","5"\n"https://b.example/","6"\n',
    "URL\nhttps://a.example/x\nhttps://b.example/\n",
    "\n\n Address \nhttps://a.example/x\nhttps://b.example/",
    "<urlset><url>\n<loc>https://a.example/x</loc></url><url><loc> https://b.example/ </loc></url></urlset>",
    "https://a.example/x https://b.example/"])
def test_a_list_comes_in_many_forms(urls, text):
    found = urls.read(text)
    assert [(url.host, url.path) for url in found.urls] == [("a.example", "/x"), ("b.example", "/")]
    assert found.rejected == []


def test_a_comma_in_a_url_is_part_of_it(urls):
    text = "https://a.example/p,1.html\nhttps://a.example/p,2.html\nhttps://a.example/map?at=52.1,13.4\n"
    assert [url.path + url.query for url in urls.read(text).urls] == ["/p,1.html", "/p,2.html", "/mapat=52.1,13.4"]
    quoted = 'url,note\n"https://a.example/p,1.html","a, b"\n'
    assert [url.path for url in urls.read(quoted).urls] == ["/p,1.html"]


def test_a_title_above_a_list_makes_no_table_of_it(urls):
    found = urls.read("My URLs, sorted\nhttps://a.example/x,y\nhttps://b.example/\n")
    assert [url.path for url in found.urls] == ["/x,y", "/"]
    assert found.rejected == [{"line": 1, "text": "My URLs, sorted", "why": "no URL"}]


def test_a_table_with_bad_rows_names_them_by_their_line(urls):
    found = urls.read('url,note\nhttps://a.example/,"two\nlines"\nnothing,x\n,empty\nhttps://b.example/,y\n')
    assert len(found.urls) == 2
    assert found.rejected == [{"line": 4, "text": "nothing", "why": "no URL"}]
    assert found.blank == 1


def test_every_line_is_counted_as_something(urls):
    text = 'https://a.example/\n\n"broken quote\nx\n https://b.example/ \n\t\n-\n'
    found = urls.read(text)
    assert len(found.urls) + len(found.rejected) + found.blank == len(text.removesuffix("\n").split("\n"))


def test_the_entities_of_a_sitemap_are_read(urls):
    found = urls.read("<loc>https://a.example/?a=1&amp;b=2</loc>\n\n<loc>nothing</loc>")
    assert found.urls[0].query == "a=1&b=2"
    assert found.rejected == [{"line": 3, "text": "nothing", "why": "no URL"}]


def test_a_sitemap_may_hold_its_addresses_in_cdata(urls):
    found = urls.read("<urlset>\n<url><loc> <![CDATA[ https://a.example/?a=1&b=2 ]]> </loc></url>\n</urlset>")
    assert [url.text for url in found.urls] == ["https://a.example/?a=1&b=2"]


def test_a_line_of_a_sitemap_hides_no_other_line(urls):
    found = urls.read("https://a.example/1\n  <loc>https://a.example/2</loc>\nhttps://a.example/3")
    assert [url.text for url in found.urls] == [f"https://a.example/{n}" for n in (1, 2, 3)]
