"""The shell as it is sent: whole for a browser that comes, the inside of #main for a page that is open."""

from __future__ import annotations

import re

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from tests.harness import HX
from treadle.web.deps import Web
from treadle.web.layout import page

HELLO = '<a class="opt" href="/hello" hx-post="/redirect/hello" hx-target="#main" hx-push-url="true" ' \
        'hx-swap="innerHTML" hx-sync="closest nav:replace">Hello'


async def test_a_browser_that_comes_is_given_the_whole_shell(client):
    html = (await client.get("/hello")).text
    assert html.startswith("<!doctype html>")
    assert "<title>Hello · Treadle</title>" in html
    for part in ("place", "menu", "main", "chat", "live", "log", "log-items", "earlier", "model", "condition",
                 "connection", "composer", "text", "composer-action", "announce"):
        assert len(re.findall(f' id="{part}"', html)) == 1, part


async def test_a_page_that_is_open_is_given_the_inside_of_main_and_what_names_the_place_outside(client):
    answer = (await client.get("/hello", headers=HX)).text
    assert answer.startswith("<title>Hello · Treadle</title>")
    assert "<main" not in answer
    assert re.findall('hx-partial hx-target="([^"]+)"', answer) == ["#place", "#tab", "#menu"]
    assert 'aria-current="page">Hello' in answer


async def test_back_and_forward_are_given_the_whole_page(client):
    headers = HX | {"HX-History-Restore-Request": "true"}
    assert (await client.get("/hello", headers=headers)).text.startswith("<!doctype html>")


async def test_a_menu_item_is_a_link_that_goes_through_the_redirect(client):
    assert HELLO in (await client.get("/")).text


async def test_links_keep_the_conversation(client, core):
    with core.feed.change() as rev:
        core.db.execute("INSERT INTO conversations (id, created_at, rev) VALUES (2, 0, ?)", (rev,))
    html = (await client.get("/hello?chat=2")).text
    assert 'href="/introduction?chat=2" hx-post="/redirect/introduction?chat=2"' in html
    assert '<a class="glyph" href="/?chat=2"' in html
    assert 'hx-sse-connect="/events/2?since=' in html
    assert 'action="/redirect/hello?chat=2"' in html


async def test_what_changes_while_a_page_is_drawn_comes_by_its_stream(core):
    app = Starlette()
    app.state.core = core
    web = Web.of(Request({"type": "http", "method": "GET", "path": "/hello", "query_string": b"", "headers": [],
                          "app": app}))
    before = core.feed.rev
    with core.feed.change():
        pass  # after the handler has read what it draws
    answer = page(web, title="Hello", body="drawn", endpoint="hello").body.decode()
    assert f'hx-sse-connect="/events/1?since={core.db.epoch}-{before}&amp;at=hello"' in answer


async def test_a_page_that_is_no_place_narrates_nothing(client):
    html = (await client.get("/docs")).text
    assert re.search(r'hx-sse-connect="/events/1\?since=[^&"]+&amp;at="', html)


async def test_the_script_is_plain_and_in_the_head_and_nothing_is_inline(client):
    for path in ("/", "/hello", "/nowhere", "/docs", "/login"):
        html = (await client.get(path)).text
        head = html[:html.index("</head>")]
        assert re.findall("<script[^>]*>", html) == re.findall(r'<script src="/static/app-\w+\.js">', head)
        assert not re.findall(r"<style|\sstyle=|\son\w+=|hx-on|javascript:", html)
        assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', html)


async def test_without_javascript_the_pane_holds_the_redirect_as_a_form(client):
    html = (await client.get("/hello")).text
    assert '<form method="post" action="/redirect/hello"' in html[html.rindex("<noscript>"):]


async def test_titles_are_text(client, core):
    from treadle.web.components.shell import Place, menu, place_label

    assert "&lt;b&gt;" in menu((Place("x", "<b>", "workflow"),), "x", "")
    assert place_label('<i a="', '"') == \
        '<span class="t" id="place" data-ask="&quot;">&lt;i a=&quot;</span>'


async def test_the_documentation_is_read_inside_the_shell(client):
    answer = await client.get("/docs")
    names = re.findall(r'href="/docs/([^"]+)"', answer.text)
    assert names
    for name in names:
        answer = await client.get(f"/docs/{name}")
        assert answer.status_code == 200
        assert 'id="composer"' in answer.text
    assert (await client.get(f"/docs/{names[0]}.md")).status_code == 200


@pytest.mark.parametrize("path", ["/docs/..%2fREADME", "/docs/%2e%2e/README", "/docs//etc/passwd",
                                  "/docs/screenshots.py", "/docs/how-to/../../README", "/docs/nothing"])
async def test_the_documentation_holds_nothing_else(client, path):
    assert (await client.get(path)).status_code == 404
