"""Uploads, downloads and tables through the app: streamed, bounded, kept, and never a page of ours."""

from __future__ import annotations

import asyncio
import csv
import io

import pytest

from tests.browsing import fields, form_to, forms, submit
from tests.harness import HX
from tests.partials import parse
from tests.trips import plugins_at
from treadle.config import Settings

WORDS = " ".join(f"w{n:03}" + "x" * (n % 7) for n in range(130)).encode()


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", plugins=plugins_at(tmp_path / "plugins"), open_browser=False,
                    ollama_host="http://127.0.0.1:9", max_body=20_000, max_upload=3_000_000)


async def new_form(client):
    return form_to((await client.get("/listing")).text, "/runs/new/listing")


async def begun(client, data: bytes = WORDS, name: str = "words.txt") -> str:
    """A list that was sent, and its second question answered; the path of its page."""
    response = await submit(client, await new_form(client), file=(name, data))
    assert response.status_code == 303, response.text
    path = response.headers["location"]
    form = form_to((await client.get(path)).text, f"/runs/{path.rpartition('/')[2]}/steps/kind")
    assert (await submit(client, form, value="a")).status_code == 303
    return path


# -- uploads


async def test_a_file_is_sent_without_javascript_and_comes_back_byte_for_byte(client):
    data = bytes(range(256)) * 5_000
    form = await new_form(client)
    assert form.attrs["enctype"] == "multipart/form-data"
    response = await submit(client, form, file=("a b.bin", data))
    link = next(node for node in parse((await client.get(response.headers["location"])).text).walk()
                if node.attrs.get("href", "").startswith("/files/"))
    assert link.text == "a b.bin"
    assert (await client.get(link.attrs["href"])).content == data


async def test_a_file_of_a_refused_form_is_kept_and_named_and_counts(client, core):
    form = await new_form(client)
    refused = await submit(client, form, file=("empty.txt", b""), headers=HX)
    assert refused.status_code == 422
    assert "empty.txt is empty." in parse(refused.text).find("f-list-err").text
    assert "Sent with the form and kept, 0 bytes" in refused.text
    again = form_to(refused.text, "/runs/new/listing")
    assert fields(again)["client_id"] == fields(form)["client_id"]
    assert (await submit(client, again, headers=HX)).status_code == 422  # the same file, refused again
    assert (await submit(client, again, file=("words.txt", b"one two"))).status_code == 303
    assert [row["name"] for row in core.db.rows("SELECT name FROM files")] == ["words.txt"]


async def test_no_file_at_all_is_refused_at_the_field(client):
    response = await submit(client, await new_form(client), headers=HX)
    assert response.status_code == 422 and "No file is chosen" in parse(response.text).find("f-list-err").text


async def test_a_file_over_the_limit_is_refused_at_the_field_and_leaves_nothing(client, core):
    response = await submit(client, await new_form(client), file=("big.bin", b"x" * 3_000_001), headers=HX)
    assert response.status_code == 413
    assert "big.bin is over the limit of 3 MB." in parse(response.text).find("f-list-err").text
    assert list(core.files.folder.iterdir()) == []


async def test_an_upload_streams_to_the_disk_and_its_progress_is_asked_for(client, core):
    form = await new_form(client)
    client_id = fields(form)["client_id"][0]
    bar = next(node for node in parse(form.outer).walk() if node.attrs.get("id") == "f-list-bar")
    seen = []

    async def body():
        yield (f'--B\r\nContent-Disposition: form-data; name="client_id"\r\n\r\n{client_id}\r\n--B\r\n'
               'Content-Disposition: form-data; name="value"; filename="big %22.txt"\r\n\r\n').encode()
        for _ in range(40):
            yield b"x" * 50_000
            seen.append((await client.get(bar.attrs["hx-get"], headers=HX)).text)
        yield b"\r\n--B--\r\n"

    response = await client.post(form.attrs["action"], content=body(), headers={
        "content-type": "multipart/form-data; boundary=B", "content-length": "2000230"})
    assert response.status_code == 303
    assert "big &quot;.txt" in (await client.get(response.headers["location"])).text
    assert "1 MB of 2 MB" in seen[20] and 'max="2000078"' in seen[20] and "every 500ms" in seen[20]
    assert [text.count("<progress") for text in seen[1:]] == [1] * 39
    assert "<progress" not in (await client.get(bar.attrs["hx-get"], headers=HX)).text


async def test_a_bar_nobody_knows_stops_asking(client):
    first = (await client.get("/runs/uploads/unknown12?field=f-list&tries=0", headers=HX)).text
    last = (await client.get("/runs/uploads/unknown12?field=f-list&tries=20", headers=HX)).text
    assert "every 500ms" in first and "every" not in last


async def test_an_upload_that_is_cut_off_leaves_nothing(client, core):
    async def body():
        yield b'--B\r\nContent-Disposition: form-data; name="value"; filename="a"\r\n\r\nhalf of it'

    response = await client.post("/runs/new/listing", content=body(),
                                 headers={"content-type": "multipart/form-data; boundary=B"})
    assert response.status_code == 400 and "cut off" in response.text
    assert list(core.files.folder.iterdir()) == []


@pytest.mark.parametrize(("kind", "content"), [
    ("multipart/form-data", b"x"), ("multipart/form-data; boundary=B", b"no boundary here"),
    ("multipart/form-data; boundary=B", b"--B\r\nbroken\r\n\r\nx\r\n--B--\r\n"),
    ("multipart/form-data; boundary=" + "b" * 300, b"x"),
    ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(200))),
    ("application/x-www-form-urlencoded", b"value=\xff\xfe"),
    ("multipart/form-data; boundary=B", b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 200),
])
async def test_a_form_that_is_none_is_refused(client, kind, content):
    response = await client.post("/runs/new/listing", content=content, headers={"content-type": kind, **HX})
    assert response.status_code in (400, 413, 422)


@pytest.mark.parametrize("file", [False, True], ids=["urlencoded", "multipart"])
async def test_texts_over_the_limit_are_refused_and_the_open_form_is_left_alone(client, file):
    text = "x" * 20_001
    response = await client.post("/runs/new/trip", headers=HX,
                                 data={"value": text}, files={"other": ("a", b"y")} if file else None)
    assert response.status_code == 413 and "over the limit of 20 kB" in response.text


async def test_a_file_nobody_asked_for_is_not_stored(client, core):
    response = await client.post("/runs/new/trip", data={"value": "Rome"}, files={"other": ("a", b"y" * 5_000)})
    assert response.status_code == 303 and list(core.files.folder.iterdir()) == []


# -- downloads


async def test_a_file_is_a_download_in_a_sandbox_under_its_own_name(client):
    path = await begun(client, b"<script>alert(1)</script>", name='a"ü\\b%.html')
    at = next(node.attrs["href"] for node in parse((await client.get(path)).text).walk()
              if node.attrs.get("href", "").startswith("/files/"))
    response = await client.get(at)
    assert response.headers["content-disposition"] == (
        "attachment; filename=\"b_.html\"; filename*=UTF-8''b%25.html")
    assert response.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-type"] == "application/octet-stream"
    assert (await client.get(at, headers=HX)).status_code == 400


@pytest.mark.parametrize("path", [
    "/files/", "/files/../treadle.db", "/files/..%2ftreadle.db", "/files/%2e%2e%2ftoken", "/files/%2e%2e/token",
    "/files/..%252f..%252fetc%252fpasswd", "/files/....//etc/passwd", "/files/%2fetc%2fpasswd", "/files//etc/passwd",
    "/files/..%5c..%5ctreadle.db", "/files/%00", "/files/x.partial", "/files/.", "/files/treadle.db", "/files/token",
])
async def test_an_address_below_files_is_an_id_or_nothing(client, core, path):
    await begun(client)
    response = await client.get(path)
    assert response.status_code == 404
    assert core.folder.secret("token") not in response.text and "SQLite" not in response.text


async def test_an_export_is_made_when_asked_for_and_quoted_for_spreadsheets(client):
    path = await begun(client, b"=1+1 @x +word -90% plain")
    page = await client.get(path)
    assert "words.csv" in page.text and "5 rows, made when you ask for it" in page.text
    response = await client.get("/runs/default-listing-01/exports/words-csv")
    rows = list(csv.reader(io.StringIO(response.text.removeprefix("\ufeff"))))
    assert [row[0] for row in rows] == ["word", "'=1+1", "'@x", "+word", "-90%", "plain"]
    assert response.headers["content-disposition"].startswith('attachment; filename="words.csv"')
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert (await client.get("/runs/default-listing-01/exports/words-csv", headers=HX)).status_code == 400


# -- tables


async def table(client, query: str = "", headers: dict[str, str] | None = None):
    response = await client.get(f"/runs/default-listing-01/shows/2{query}", headers=HX if headers is None else headers)
    assert response.status_code == 200
    return parse(response.text)


def words(tree) -> list[str]:
    body = next(node for node in tree.walk() if node.tag == "tbody")
    return [row.children[0].text for row in body.children]


async def test_a_table_is_drawn_a_page_at_a_time_in_the_authors_order(client):
    path = await begun(client)
    page = parse((await client.get(path)).text)
    box = page.find("show-default-listing-01-2")
    assert len(words(box)) == 50 and words(box)[0] == "w006xxxxxx"
    assert next(node.text for node in box.walk() if node.tag == "footer") == "1 to 50 of 130"


@pytest.mark.parametrize(("query", "first", "count"), [
    ("?sort=word", "w000", "1 to 50 of 130"), ("?sort=-word", "w129xxx", "1 to 50 of 130"),
    ("?sort=word&page=3", "w100xx", "101 to 130 of 130"), ("?sort=word&q=w01", "w010xxx", "1 to 10 of 10"),
    ("?page=99&sort=word", "w100xx", "101 to 130 of 130"), ("?sort=nope&page=x", "w006xxxxxx", "1 to 50 of 130"),
    ("?sort=line&sort=word", "w000", "1 to 50 of 130"),
])
async def test_a_table_is_sorted_paged_and_searched_on_the_server(client, query, first, count):
    await begun(client)
    tree = await table(client, query)
    assert words(tree)[0] == first and next(n for n in tree.walk() if n.tag == "footer").text.startswith(count)


async def test_nothing_found_repeats_the_word(client):
    await begun(client)
    assert "No row holds “<zzz”." in (await table(client, "?q=%3Czzz")).text


async def test_a_table_is_turned_without_javascript_by_its_form_and_buttons(client):
    path = await begun(client)
    form = next(form for form in forms((await client.get(path)).text) if form.attrs.get("class") == "data")
    heading = next(n for n in form.walk() if n.tag == "button" and n.attrs.get("name") == "sort" and n.text == "word")
    response = await submit(client, form, q="w1", sort=heading.attrs["value"])
    assert "<html" in response.text and "Back to where it stands" in response.text
    assert words(parse(response.text))[0] == "w100xx"
    again = next(form for form in forms(response.text) if form.attrs.get("class") == "data")
    assert fields(again) == {"q": ["w1"], "sort": ["word"]}


async def test_a_heading_says_how_it_is_sorted_and_turns_round(client):
    await begun(client)
    heads = [node for node in (await table(client, "?sort=word")).walk() if node.tag == "th"]
    assert [head.attrs.get("aria-sort") for head in heads] == ["ascending", None, None]
    assert [head.children[0].attrs["value"] for head in heads] == ["-word", "-length", "-line"]
    assert [head.attrs.get("class") for head in heads] == [None, "num", "num"]


async def test_enter_in_the_search_field_presses_no_heading(client):
    await begun(client)
    button = next(node for node in (await table(client)).walk() if node.tag == "button")
    assert "name" not in button.attrs and button.text == "Search"


async def test_a_table_the_reader_has_turned_says_so_and_an_unturned_one_does_not(client):
    await begun(client)
    assert "data-view" in (await table(client, "?page=2")).find("show-default-listing-01-2").attrs
    assert "data-view" not in (await table(client)).find("show-default-listing-01-2").attrs


async def test_other_requests_are_answered_while_a_large_file_comes_in(client):
    started, go_on = asyncio.Event(), asyncio.Event()

    async def body():
        yield b'--B\r\nContent-Disposition: form-data; name="value"; filename="a"\r\n\r\n' + b"x" * 100_000
        started.set()
        await go_on.wait()
        yield b"\r\n--B--\r\n"

    upload = asyncio.create_task(client.post("/runs/new/listing", content=body(), headers={
        "content-type": "multipart/form-data; boundary=B"}))
    await started.wait()
    assert (await client.get("/")).status_code == 200
    go_on.set()
    assert (await upload).status_code == 303
