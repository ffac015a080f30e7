"""The helpers of the parameter buster: logs and lists, and what they say of query parameters."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.robotparser import RobotFileParser

import pytest

from plugins import _params
from plugins._logs import requests
from plugins._params import count, proposed, remaining, robots, rule
from treadle.files import File, FileId

COMBINED = ('1.2.3.4 - - [21/Nov/2026:10:00:00 +0000] "GET {} HTTP/1.1" {} 512 "-" "Mozilla/5.0 (a \\"b\\")"')


def progress(done: int, total: int | None = None, text: str = "") -> None:
    """What a job gives to a function that reports."""


@pytest.fixture
def upload(tmp_path: Path) -> Callable[..., File]:
    def of(data: bytes, name: str = "access.log") -> File:
        path = tmp_path / "0123"
        path.write_bytes(data)
        return File(FileId("0123"), name, len(data), str(hash(data)), path)
    return of


def test_addresses_of_thousands_of_parameters_are_counted_in_time_and_room(upload, monkeypatch):
    many = "/x?" + "&".join(f"a{number}=1" for number in range(9_000))
    began = time.monotonic()
    assert count(upload(many.encode() + b"\n/x?a1=1\n"), progress)["names"] == _params.PAIRS
    assert time.monotonic() - began < 2
    monkeypatch.setattr(_params, "MOST_NAMES", 1_000)
    lines = "\n".join("/x?" + "&".join(f"{line}_{number}" for number in range(100)) for line in range(11))
    with pytest.raises(ValueError, match="different parameters"):
        count(upload(lines.encode()), progress)


def test_a_packed_file_of_empty_lines_and_a_quote_that_never_ends_are_said(upload):
    with pytest.raises(ValueError, match="more than 10,000 empty lines"):
        list(requests(upload(gzip.compress(b"\n" * 20_000))))
    table = b"url,b\n" + b"http://a.example/,b\n" * 60 + b'"' + (b"x" * 60_000 + b"\n") * 4
    with pytest.raises(ValueError, match="Is a quote missing"):
        list(requests(upload(table)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_log_is_read_line_by_line_plain_or_gzipped(upload, pack):
    lines = [COMBINED.format("/a?b=1", 200), '::1 - ada [21/Nov/2026:10:00:00 +0000] "POST /c HTTP/1.0" 404 -',
             "example.org 1.2.3.4 - - [x] \"GET /vhost HTTP/2\" 301 0", "", "https://example.org/list?x=1",
             "no request"]
    found = list(requests(upload(pack("\n".join(lines).encode()))))
    assert [each and tuple(each) for each in found] == [
        ("/a?b=1", 200), ("/c", 404), ("/vhost", 301), ("https://example.org/list?x=1", 0), None]


def test_parameters_are_ranked_by_how_many_addresses_they_add(upload):
    urls = [f"/shop?sort={way}&page={page}&utm_source=mail" for way in "abc" for page in range(2)]
    urls += ["/shop?page=0", "/about", "/about?utm_source=mail"]
    log = "\n".join([*(COMBINED.format(url, 200) for url in urls), COMBINED.format("/gone?x=1", 404), "junk"])
    found = count(upload(log.encode()), progress)
    assert (found["lines"], found["rejected"], found["errors"]) == (11, 1, 1)
    assert (found["pages"], found["addresses"]) == (2, 9)
    rows = {row["parameter"]: row for row in found["parameters"]}
    assert set(rows) == {"sort", "page", "utm_source"}
    assert (rows["sort"]["addresses"], rows["sort"]["extra"], rows["sort"]["values"]) == (6, 4, 3)
    assert (rows["page"]["addresses"], rows["page"]["pages"], rows["page"]["extra"]) == (7, 1, 3)
    assert rows["utm_source"]["kind"] == "tracking"
    assert found["multiplied"][0] == {"page": "/shop", "addresses": 7}
    assert proposed(found["parameters"]) == ["sort", "utm_source"]  # a page number is part of the page


def test_two_parameters_that_come_together_are_proposed_although_neither_alone_makes_a_difference(upload):
    found = count(upload("\n".join(f"https://e.org/p?x={n}&gclid={n}&a=1" for n in range(9)).encode()), progress)
    assert {row["extra"] for row in found["parameters"]} == {0}  # a has one value, and makes nothing of its own
    assert proposed(found["parameters"]) == ["gclid", "x"]


def test_what_rules_leave_open_and_what_they_hide_is_counted(upload):
    log = upload(b"https://e.org/a?sid=1\nhttps://e.org/a\nhttps://e.org/a?page=2\nhttps://e.org/b?sid=1&page=2\nno\n")
    assert remaining(log, ["sid"], progress) == {"addresses": 2, "pages": 1, "lost": ["e.org/b"]}


@pytest.mark.parametrize("text", [
    "Address,Clicks\nhttps://e.org/a?x=1,5\nhttps://e.org/a?x=2,7\n",
    '"Clicks";"Landing page"\n"5";"https://e.org/a?x=1"\n"7";"/a?x=2"\n',
    "https://e.org/a?x=1\t5\nhttps://e.org/a?x=2\t7\n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_of_a_table_the_column_of_urls_is_read_and_nothing_beside_it(upload, text, pack):
    found = count(upload(pack(text.encode()), "list.csv"), progress)
    assert (found["lines"], found["rejected"]) == (2, 0)
    assert [(row["parameter"], row["values"]) for row in found["parameters"]] == [("x", 2)]


def test_a_file_without_a_request_is_refused(upload):
    with pytest.raises(ValueError, match="No line is a request or a URL"):
        count(upload(b"hello\nworld\n"), progress)


def test_the_rules_keep_a_crawler_from_what_has_the_parameter_wherever_it_stands():
    text = robots(["sort", "c[]"])
    assert "Disallow: /*?sort=" in text and "Disallow: /*&c[]=" in text and "Disallow: /*&c%5B%5D=" in text
    parser = RobotFileParser()
    parser.parse(text.splitlines())
    assert parser.can_fetch("x", "https://example.org/shop")


@pytest.mark.parametrize("name", ["", " ", "a b", "a*b", "a$", "a#", "x\ny"])
def test_a_name_that_cannot_stand_in_a_rule_has_none(name):
    assert rule(name) == ""


def test_a_log_full_of_noise_gives_what_a_job_may_return(upload):
    lines = (f"https://e.org/{n}{'/long' * 60}?p{n}={n}&{'n' * 200}={n}&a={n}\n" for n in range(3_000))
    file = upload("".join(lines).encode(), "list.txt")
    found, left = count(file, progress), remaining(file, ["a"], progress)
    assert len(json.dumps(found)) < 1_000_000 and len(json.dumps(left)) < 1_000_000
    assert (found["names"], len(found["parameters"]), len(left["lost"])) == (3_001, 1_000, 1_000)
