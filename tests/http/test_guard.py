"""SECURITY.md rows 1 to 8, 34: who may ask, from where, and how much. Against the whole app, with a valid cookie."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.harness import soak, until
from treadle.core import Core
from treadle.web.app import create_app
from treadle.web.guard import Guard

PORT = 5001
OWN = f"127.0.0.1:{PORT}"
PARAMETER = re.compile(r"\{[^}]*\}")
Header = tuple[str, str]

FORGED_HOSTS = [
    "", "evil.test", f"evil.test:{PORT}", "127.0.0.1", "localhost", "127.0.0.1:80", f"127.0.0.1:{PORT + 1}",
    f"127.0.0.1:0{PORT}", f"0.0.0.0:{PORT}", f"0:{PORT}", f"127.1:{PORT}", f"2130706433:{PORT}", f"0x7f.0.0.1:{PORT}",
    f"127.0.0.2:{PORT}", f"[::]:{PORT}", f"[::ffff:127.0.0.1]:{PORT}", f"::1:{PORT}", f"127.0.0.1:{PORT}/x?",
    f"127.0.0.1:{PORT}#", f"127.0.0.1:{PORT}@evil.test", f"user@127.0.0.1:{PORT}", f"127.0.0.1:{PORT}.evil.test",
    f"127.0.0.1.evil.test:{PORT}", f"localhost.evil.test:{PORT}", f"localhost.:{PORT}", f"127.0.0.1:{PORT},evil.test",
    f"127.0.0.1:{PORT} evil.test", f"evil.test, 127.0.0.1:{PORT}", f"printer.local:{PORT}", f"127.0.0.1:{PORT}\t",
    f"127.0.0.1%00.evil.test:{PORT}", f"LOCALHOST.EVIL.TEST:{PORT}",
]

# What a page elsewhere, or no page at all, can make a browser send along with our cookie.
FORGED_ORIGINS: list[list[Header]] = [
    [],
    [("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "same-site")],
    [("sec-fetch-site", "")],
    [("sec-fetch-site", "same-origin, cross-site")],
    [("origin", "null")],
    [("origin", "http://evil.test")],
    [("origin", "http://evil.test"), ("sec-fetch-site", "cross-site")],
    [("origin", "http://evil.test"), ("sec-fetch-site", "same-origin")],
    [("origin", "http://evil.test"), ("sec-fetch-site", "none")],
    [("origin", "null"), ("sec-fetch-site", "same-origin")],
    [("origin", f"http://127.0.0.1:{PORT + 1}"), ("sec-fetch-site", "same-site")],
    [("origin", "http://127.0.0.1"), ("sec-fetch-site", "same-origin")],
    [("origin", f"http://localhost:{PORT}")],
    [("origin", f"https://{OWN}")],
    [("origin", f"http://{OWN}/")],
    [("origin", f"http://{OWN}.evil.test")],
    [("origin", f"http://{OWN}"), ("origin", "http://evil.test")],
    [("origin", f"http://{OWN}"), ("sec-fetch-site", "cross-site")],
    [("origin", f"http://{OWN}"), ("sec-fetch-site", "same-site")],
    [("origin", ""), ("sec-fetch-site", "same-origin")],
    [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
    [("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
    [("authorization", "Bearer wrong")],
    [("authorization", "Basic OnRva2Vu")],
]
BODIES = [("application/x-www-form-urlencoded", b"text=forged&value=forged&client_id=f1&token=x"),
          ("text/plain", b'{"text": "forged"}'),
          ("multipart/form-data; boundary=x",
           b'--x\r\ncontent-disposition: form-data; name="text"\r\n\r\nforged\r\n--x--\r\n')]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key == name)


async def ask(app: Any, method: str, target: str, headers: list[Header], body: bytes = b"", *,
              chunks: list[bytes] | None = None) -> Answer:
    """One request with exactly these headers, as a socket would deliver it; no client tidies it up first."""
    path, _, query = target.partition("?")
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks or []]
    waiting.append({"type": "http.request", "body": body, "more_body": False})

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "method": method, "path": path, "raw_path": path.encode("latin-1", "replace"),
               "query_string": query.encode(), "root_path": "", "scheme": "http", "http_version": "1.1",
               "server": ("127.0.0.1", PORT), "client": ("127.0.0.1", 40000),
               "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers]}, receive, send)
    headers_sent = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return Answer(sent[0]["status"], headers_sent, b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
async def app(core: Core) -> Guard:
    await until(lambda: core.llm.status.kind != "checking")  # the last row the server writes by itself
    return create_app(core)


@pytest.fixture
def cookie(core: Core) -> Header:
    return ("cookie", f"other=1; treadle-{PORT}={core.folder.secret('token')}")


def targets(app: Guard) -> list[tuple[str, str]]:
    """Every method and path of the app, its parameters filled in."""
    found = []
    for route in app.app.routes:
        methods = route.methods or {"GET"}
        path = PARAMETER.sub(lambda part: "1" if ":int" in part[0] else "home", route.path)
        found += [(method, path) for method in sorted(methods) if method != "HEAD"]
    return found


def rows(core: Core) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the database."""
    tables = [row["name"] for row in core.db.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: [tuple(row) for row in core.db.rows(f"SELECT * FROM {table}")] for table in tables}


async def test_thirty_forged_hosts_are_served_by_no_route(app, cookie):
    for host, (method, path) in itertools.product(FORGED_HOSTS, targets(app)):
        headers = [("host", host), cookie, ("sec-fetch-site", "same-origin"), ("origin", f"http://{host.strip()}")]
        answer = await ask(app, method, path, headers)
        assert answer.status == 403, (host, method, path)
        assert b'id="main"' not in answer.body


@pytest.mark.parametrize("hosts", [[], [OWN, OWN], [OWN, "evil.test"]])
async def test_a_request_has_exactly_one_host(app, cookie, hosts):
    answer = await ask(app, "GET", "/", [*(("host", host) for host in hosts), cookie, ("sec-fetch-site", "none")])
    assert answer.status in (400, 403)


@pytest.mark.parametrize("host", [OWN, f"localhost:{PORT}", f"[::1]:{PORT}"])
async def test_our_own_names_are_served(app, cookie, host):
    answer = await ask(app, "GET", "/", [("host", host), cookie, ("sec-fetch-site", "none")])
    assert answer.status == 200


async def test_an_address_that_is_no_path_is_refused(app, cookie):
    for target in ("http://evil.test/", "*", ""):
        answer = await ask(app, "GET", target, [("host", OWN), cookie, ("sec-fetch-site", "none")])
        assert answer.status == 403


async def test_no_forged_request_has_an_effect(app, core, cookie):
    unsafe = [(method, path) for method, path in targets(app) if method != "GET"]
    forged = list(itertools.product(unsafe, FORGED_ORIGINS, BODIES))
    assert len(forged) >= 250
    before = rows(core)
    for (method, path), origin, (kind, body) in forged[:: soak(5, 1)]:
        headers = [("host", OWN), cookie, *origin, ("content-type", kind), ("content-length", str(len(body)))]
        answer = await ask(app, method, path, headers, body)
        assert answer.status in (400, 403), (method, path, origin)
    assert rows(core) == before


async def test_our_own_page_and_a_command_with_the_token_have_an_effect(app, core, cookie):
    """The counterpart: the requests above fail because they are forged, not because they are wrong."""
    body = b"text=real&client_id=c1"
    form = [("host", OWN), ("content-type", "application/x-www-form-urlencoded"), ("content-length", str(len(body)))]
    arrivals = [
        [cookie, ("sec-fetch-site", "same-origin"), ("origin", f"http://{OWN}")],
        [cookie, ("sec-fetch-site", "none")],
        [cookie, ("origin", f"http://{OWN}")],
        [("authorization", f"Bearer {core.folder.secret('token')}")],
    ]
    for number, origin in enumerate(arrivals):
        before = rows(core)
        answer = await ask(app, "POST", "/redirect/home", [*form, *origin], body)
        assert answer.status == 303, origin
        assert (rows(core) != before) is (number == 0), "the same arrival again merges"


async def test_the_stream_is_for_our_own_pages_only(app, cookie):
    for origin in FORGED_ORIGINS:
        answer = await ask(app, "GET", "/events/1?at=home", [("host", OWN), cookie, *origin])
        assert answer.status in (400, 403), origin


@pytest.mark.parametrize("mode,dest", [("no-cors", "image"), ("no-cors", "script"), ("cors", "empty"),
                                       ("navigate", "iframe"), ("navigate", "frame"), ("navigate", "object"),
                                       ("navigate", "embed"), ("navigate", ""), ("no-cors", "document")])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_elsewhere_cannot_load_ours_as_a_part_of_itself(app, cookie, site, mode, dest):
    origin = [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)]
    for path in ("/", "/hello", "/login"):
        assert (await ask(app, "GET", path, [("host", OWN), cookie, *origin])).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_elsewhere_may_lead_here(app, cookie, site):
    origin = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
    assert (await ask(app, "GET", "/", [("host", OWN), cookie, *origin])).status == 200


async def test_no_get_changes_a_row(app, core, cookie):
    before = rows(core)
    for method, path in targets(app):
        if method == "GET" and not path.startswith("/events"):
            for more in ([], [("hx-request", "true")]):
                await ask(app, "GET", path, [("host", OWN), cookie, ("sec-fetch-site", "same-origin"), *more])
    assert rows(core) == before


async def test_every_answer_carries_the_policies(app, cookie):
    own = [("host", OWN), ("sec-fetch-site", "same-origin")]
    for method, path, headers in [
        ("GET", "/", [*own, cookie]), ("GET", "/", own), ("GET", "/nowhere/at/all/of/it", [*own, cookie]),
        ("GET", "/", [("host", "evil.test")]), ("GET", "/login", own), ("GET", "/static/nothing", own),
        ("DELETE", "/", [*own, cookie]), ("POST", "/redirect/home", [*own, cookie]),
    ]:
        answer = await ask(app, method, path, headers)
        policy = answer.header("content-security-policy")
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy and "form-action 'self'" in policy and "base-uri 'none'" in policy
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("x-frame-options") == "DENY"
        assert answer.header("cross-origin-opener-policy") == "same-origin"
        assert answer.header("referrer-policy") == "same-origin"
        wanted = "cross-origin" if path.startswith("/static/") else "same-origin"
        assert answer.header("cross-origin-resource-policy") == wanted
        assert not [name for name, _ in answer.headers if name.startswith("access-control-")]


async def test_a_preflight_is_refused(app, cookie):
    answer = await ask(app, "OPTIONS", "/redirect/home", [
        ("host", OWN), cookie, ("origin", "http://evil.test"), ("access-control-request-method", "POST")])
    assert answer.status == 403


async def test_a_websocket_is_closed(app):
    sent = []
    await app({"type": "websocket", "path": "/", "headers": []}, None, lambda message: _note(sent, message))
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def _note(sent: list[Any], message: Any) -> None:
    sent.append(message)


async def test_the_assets_need_no_token_and_may_be_loaded_by_a_sandboxed_frame(app):
    page = await ask(app, "GET", "/login", [("host", OWN), ("sec-fetch-site", "none")])
    asset = re.search(rb'"(/static/[^"]+)"', page.body)[1].decode()
    answer = await ask(app, "GET", asset, [
        ("host", OWN), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")])
    assert answer.status == 200


@pytest.mark.parametrize("path", [
    "/static/", "/static", "/static/../server.py", "/static/..%2fserver.py", "/static//etc/passwd", "/static/.",
    "/static/css/", "/static/\x00", "/..%2f..%2fetc%2fpasswd.txt", "/server.py", "/data/token", "/.git/config",
])
async def test_no_file_is_served_by_its_path_and_no_folder_listed(app, cookie, path):
    answer = await ask(app, "GET", path, [("host", OWN), cookie, ("sec-fetch-site", "none")])
    assert answer.status in (400, 404)
    assert b"root:" not in answer.body and b"import " not in answer.body


async def test_a_body_over_a_megabyte_is_refused_before_it_is_read(app, core, cookie):
    before = rows(core)
    own = [("host", OWN), cookie, ("sec-fetch-site", "same-origin"),
           ("content-type", "application/x-www-form-urlencoded")]
    announced = await ask(app, "POST", "/redirect/home", [*own, ("content-length", "1000001")])
    assert announced.status == 413
    unannounced = await ask(app, "POST", "/redirect/home", own, chunks=[b"x" * 100_000] * 11)
    assert unannounced.status == 413
    assert "over the limit of 1 MB" in unannounced.body.decode()
    for length in ("-1", "1e3", "", "9" * 30, "0x10"):
        assert (await ask(app, "POST", "/redirect/home", [*own, ("content-length", length)])).status in (400, 413)
    assert rows(core) == before


async def test_a_form_with_ten_thousand_fields_is_refused(app, core, cookie):
    before = rows(core)
    body = b"--x\r\n" + b"--x\r\n".join(
        b'content-disposition: form-data; name="f%d"\r\n\r\nv\r\n' % number for number in range(10_000)) + b"--x--\r\n"
    answer = await ask(app, "POST", "/redirect/home", [
        ("host", OWN), cookie, ("sec-fetch-site", "same-origin"), ("content-type", "multipart/form-data; boundary=x"),
        ("content-length", str(len(body)))], body)
    assert answer.status in (400, 413, 415)
    assert rows(core) == before


class TestBoundWider:
    """`--host 0.0.0.0`, with the token."""

    @pytest.fixture
    def settings(self, settings):
        return replace(settings, host="0.0.0.0")

    @pytest.mark.parametrize("host", [OWN, f"localhost:{PORT}"])
    async def test_the_address_a_connection_came_to_is_ours(self, app, cookie, host):
        assert (await ask(app, "GET", "/", [("host", host), cookie])).status == 200

    @pytest.mark.parametrize("host", ["evil.test:5001", "0.0.0.0:5001", "192.168.7.7:5001"])
    async def test_any_other_is_not(self, app, cookie, host):
        assert (await ask(app, "GET", "/", [("host", host), cookie])).status == 403
