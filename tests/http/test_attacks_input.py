"""What a request may hold: nothing in it becomes an element, and nothing in it is our failure (a 500)."""

from __future__ import annotations

import itertools
import json
import re
from urllib.parse import quote, unquote

import pytest

from tests.harness import HX, soak, until
from tests.http.test_guard import OWN, PORT, ask, rows, targets
from treadle.core import Core
from treadle.web.app import create_app
from treadle.web.guard import Guard

MANY = "9" * 5_000  # digits: more than int() takes
BROKEN_OUT = "\"><script src=x></script><b hx-post='/chat/1'>"
ODD = ["", "-1", "1e9", "\x00", "²", "٣", MANY, "\ud7ff", "�", "../x", BROKEN_OUT, "a" * 5_000, "%", "[]", "1&1", "="]
NAMES = ["sort", "page", "q", "chat", "at", "run", "before", "taken", "since", "rev", "tries", "field", "token"]
FORM = "application/x-www-form-urlencoded"
PART = '--x\r\ncontent-disposition: form-data; name="{}"\r\n\r\n{}\r\n'
FIELDS = ["text", "client_id", "reply", "model", "address", "to", "at", "run", "chat", "value", "rev", "replace",
          "drop"]


@pytest.fixture
async def app(core: Core) -> Guard:
    await until(lambda: core.llm.status.kind != "checking")
    return create_app(core)


@pytest.fixture
def own(core: Core) -> list[tuple[str, str]]:
    return [("host", OWN), ("cookie", f"treadle-{PORT}={core.folder.secret('token')}"),
            ("sec-fetch-site", "same-origin"), ("origin", f"http://{OWN}")]


def quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


# -- nothing that is sent becomes an element


@pytest.mark.parametrize("name", ["field", "upload"])
async def test_the_bar_of_an_upload_takes_no_markup_from_its_address(client, name):
    upload, field = ("x" * 8, quoted(BROKEN_OUT)) if name == "field" else (quoted(BROKEN_OUT), "f-list")
    for tries in ("0", "99", ""):
        answer = await client.get(f"/runs/uploads/{upload}?field={field}&tries={tries}", headers=HX)
        assert "<script" not in answer.text and "<b " not in answer.text, answer.text


async def test_no_parameter_of_any_page_comes_back_as_markup(app, own):
    for (method, path), name in itertools.product(targets(app), NAMES):
        if method != "GET" or path.startswith("/events"):
            continue
        for more in ([], [("hx-request", "true")]):
            answer = await ask(app, "GET", f"{path}?{name}={quoted(BROKEN_OUT)}", [*own, *more])
            assert b"<script src=x" not in answer.body and b"<b hx-post" not in answer.body, (path, name)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_elsewhere_leads_to_pages_only_and_not_to_their_parts(app, own, site):
    followed = [*own[:2], ("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
    for path in ("/runs/uploads/x?field=y", "/runs/default-hello-01/body", "/runs/new/url_counts/shows/1", "/files/x"):
        assert (await ask(app, "GET", path, followed)).status == 403
        typed = [*own[:2], ("sec-fetch-site", "none")]
        assert (await ask(app, "GET", path, typed)).status != 403


# -- nothing that is sent is a failure of ours


async def test_no_parameter_makes_a_page_fail(app, core, own):
    wrong = []
    for (method, path), name, value in itertools.product(targets(app), NAMES, ODD):
        if method == "GET" and not path.startswith("/events"):
            answer = await ask(app, "GET", f"{path}?{name}={quoted(value)}", own)
            wrong += [(path, name, value[:40])] if answer.status >= 500 else []
            if not soak(0, 1) and name != NAMES[len(path + value) % len(NAMES)]:
                continue
            answer = await ask(app, "GET", f"{path}?{name}={quoted(value)}", [*own, ("hx-request", "true")])
            wrong += [("hx", path, name, value[:40])] if answer.status >= 500 else []
    assert not wrong


async def test_no_part_of_an_address_makes_a_page_fail(app, own):
    odd = [*map(quoted, ODD), "%ff", "%ed%a0%80", "%C0%AE%C0%AE", "a" * 14_000, "a/" * 1_000]
    found = []
    for route, value in itertools.product(app.app.routes, odd):
        path = re.sub(r"\{[^}]*:int\}", value if value in (MANY, "²", "٣") else "0", route.path)
        path = re.sub(r"\{[^}]*\}", lambda _, value=value: value or "x", path)
        for method in sorted(set(route.methods or ["GET"]) - {"HEAD"}):
            if path == "/login" and method == "POST":
                continue  # it makes one wait
            answer = await ask(app, method, unquote(path, errors="replace"), own)
            found += [(method, path[:60], answer.status)] if answer.status >= 500 else []
    assert not found


@pytest.mark.parametrize("header,value", [
    ("hx-current-url", "http://["), ("hx-current-url", "//[::1"), ("hx-current-url", f"http://{OWN}/?chat={MANY}"),
    ("hx-current-url", "http://a\xff/\x80"), ("hx-current-url", "x" * 9_000), ("hx-target", "\xff" * 99),
    ("last-event-id", MANY), ("accept-encoding", "\xff"), ("range", "bytes=-"), ("if-none-match", "\xff"),
    ("authorization", "Bearer \xff"), ("cookie", "\xff=\xff; ;;=; treadle-browser-5001=" + "x" * 99)])
async def test_no_header_makes_a_page_fail(app, own, header, value):
    for path in ("/", "/hello", "/model", "/chat/1", "/nowhere", "/static/x"):
        for more in ([], [("hx-request", "true")]):
            assert (await ask(app, "GET", path, [*own, (header, value), *more])).status < 500


def multipart(value: str, *, file: bool = False) -> bytes:
    name = '{}"; filename="f' if file else "{}"
    return ("".join(PART.format(name.format(field), value) for field in FIELDS) + "--x--\r\n").encode()


def forms() -> list[tuple[str, str, bytes]]:
    text = {field: "a\ud800" for field in FIELDS}
    number = dict.fromkeys(FIELDS, 5)
    found = [
        ("json, half a character", "application/json", json.dumps(text).encode()),
        ("json, numbers", "application/json", json.dumps(number).encode()),
        ("json, deep", "application/json", b'{"a":' + b"[" * 100_000),
        ("json, NaN", "application/json", b'{"text": NaN, "client_id": [1]}'),
        ("json, no object", "application/json", b"[1]"),
        ("json, no JSON", "application/json", b"\xff"),
        ("half a character", FORM, "&".join(f"{field}=%ED%A0%80" for field in FIELDS).encode()),
        ("nothing but NUL", FORM, "&".join(f"{field}=%00" for field in FIELDS).encode()),
        ("digits", FORM, "&".join(f"{field}={MANY}" for field in FIELDS).encode()),
        ("signs that are digits", FORM, "&".join(f"{field}=%C2%B2" for field in FIELDS).encode()),
        ("no UTF-8", FORM, b"text=\xff\xfe&value=\xff"),
        ("many fields", FORM, b"&".join(b"a=1" for _ in range(5_000))),
        ("nonsense", FORM, b"%%%=%zz;;&&&=&=="),
        ("files for texts", "multipart/form-data; boundary=x", multipart("v", file=True)),
        ("no boundary", "multipart/form-data", multipart("v")),
        ("an empty boundary", "multipart/form-data; boundary=", multipart("v")),
        ("a long boundary", "multipart/form-data; boundary=" + "x" * 5_000, multipart("v")),
        ("cut off", "multipart/form-data; boundary=x", multipart("v")[:60]),
        ("no name", "multipart/form-data; boundary=x", PART.replace('; name="{}"', "").format("v").encode()),
        ("a file's name in a charset nobody has", "multipart/form-data; boundary=x",
         PART.format("value\"; filename*=\"utf-99''%ff", "v").encode() + b"--x--\r\n"),
        ("no type", "", b"text=v"), ("a type that is none", "\xff/;;=", b"text=v"),
    ]
    charsets = ["utf-7", "undefined", "punycode", "unicode_escape", "raw_unicode_escape", "idna", "no-such", "hex"]
    for charset in charsets:
        body = multipart("+2AA-" if charset == "utf-7" else "\\ud800")
        found.append((charset, f"multipart/form-data; boundary=x; charset={charset}", body))
    disguised = "multipart/form-data; boundary=x; CharSet*=utf-8''utf-7"
    found.append(("a charset in disguise", disguised, multipart("+2AA-")))
    return found


@pytest.mark.parametrize("kind,body", [form[1:] for form in forms()], ids=[form[0] for form in forms()])
async def test_no_form_makes_a_post_fail(app, core, own, kind, body):
    for method, path in targets(app):
        if method == "GET" or path == "/login":
            continue
        path = path.replace("/runs/new/home", "/runs/new/hello")
        for more in ([], [("hx-request", "true")]):
            headers = [*own, *more, ("content-length", str(len(body))), *([("content-type", kind)] if kind else [])]
            answer = await ask(app, method, path, headers, body)
            assert answer.status < 500, (path, more)
    core.conversations.active(1) and await core.replies.stop(1)


async def test_a_form_is_sent_as_a_browser_sends_it_or_not_at_all(app, core, own):
    """No page of ours sends JSON, and a page elsewhere must not be able to send anything but a form."""
    before = rows(core)
    for kind in ("application/json", "text/plain", "application/xml", "multipart/form-data; boundary=x; charset=utf-7"):
        headers = [*own, ("content-type", kind), ("content-length", "2")]
        answer = await ask(app, "POST", "/redirect/home", headers, b"{}")
        assert answer.status == 415
    assert rows(core) == before


@pytest.mark.parametrize("path", ["/hello", "/login", "/chat/1"])
async def test_the_body_of_a_get_is_limited_too(app, own, path):
    announced = await ask(app, "GET", path, [*own, ("content-length", "1000001")])
    assert announced.status == 413
    taken = 0

    async def receive():
        nonlocal taken
        taken += 1
        assert taken < 50
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": taken < 40}

    sent = []

    async def send(message):
        sent.append(message)

    await app({"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
               "root_path": "", "scheme": "http", "http_version": "1.1", "server": ("127.0.0.1", PORT),
               "client": ("127.0.0.1", 40000), "headers": [(key.encode(), value.encode()) for key, value in own]},
              receive, send)
    assert taken <= 12, "nobody reads what is over the limit"
    assert sent[0]["status"] < 500


async def test_a_question_cannot_take_the_name_of_what_the_server_writes(client, core, clock):
    """The ids of questions and of the server's own rows share an index: a clash would silence the narrator."""
    for number in range(1, 4):
        for name in (f"arrival-{number}", f"retry-{number}", f"continue-{number}", f"arrival:{number}"):
            await client.post("/chat/1", data={"text": "a", "client_id": name}, headers=HX)
            await core.replies.stop(1)
    for place in ("hello", "introduction", "home"):
        assert (await client.post(f"/redirect/{place}", headers=HX)).status_code == 303
    await clock.advance(1)
    await until(lambda: not core.narrator.pending(1))
    said = [message.endpoint for message in core.conversations.messages(1) if message.role == "arrival"]
    assert said == ["hello", "introduction", "home"]
