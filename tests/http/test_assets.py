"""The assets: named by content, compressed, kept for ever by browsers, and nothing else is served beside them."""

from __future__ import annotations

import gzip
import hashlib
import re

import httpx
import pytest
from starlette.applications import Starlette

from treadle.web import assets
from treadle.web.assets import FONTS, JOINED, STATIC, url
from treadle.web.components.icons import icon

ALL = [*JOINED, *FONTS]


@pytest.fixture
async def static():
    """The routes of the assets alone."""
    transport = httpx.ASGITransport(Starlette(routes=assets.routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5001") as client:
        yield client


@pytest.mark.parametrize("name", ALL)
async def test_an_asset_is_served_under_its_name_with_a_hash_and_kept_for_ever(static, name):
    answer = await static.get(url(name))
    assert answer.status_code == 200
    assert re.fullmatch(r"/static/[\w-]+-[0-9a-f]{10}\.\w+", url(name))
    assert hashlib.sha256(answer.content).hexdigest()[:10] in url(name)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", JOINED)
async def test_text_is_sent_compressed_to_whoever_takes_it(static, name):
    async def body(encoding: str) -> tuple[bytes, str]:
        async with static.stream("GET", url(name), headers={"accept-encoding": encoding}) as answer:
            assert answer.headers["vary"] == "accept-encoding"
            return b"".join([part async for part in answer.aiter_raw()]), answer.headers.get("content-encoding", "")

    small, kind = await body("gzip, deflate, br")
    whole, none = await body("identity")
    assert (kind, none) == ("gzip", "")
    assert gzip.decompress(small) == whole


async def test_fonts_are_not_compressed_again(static):
    answer = await static.get(url(FONTS[0]), headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == "font/woff2"


@pytest.mark.parametrize("path", [
    "/static/", "/static/app.css", "/static/js/app.js", "/static/..%2fserver.py", "/static/%2e%2e/server.py",
    "/static/fonts/", "/static/app-0000000000.css", "/static/vendor/VENDOR.md", "/static//etc/passwd"])
async def test_nothing_else_is_served(static, path):
    answer = await static.get(path)
    assert answer.status_code == 404
    assert answer.text == "No such asset."


async def test_the_styles_name_fonts_by_their_present_address_and_no_other_file(static):
    css = (await static.get(url("app.css"))).text
    assert set(re.findall(r'url\("([^"]*)"\)', css)) == {url(name) for name in FONTS}


async def test_the_script_begins_with_the_theme_and_holds_htmx_before_ours(static):
    text = (await static.get(url("app.js"))).text
    _, *htmx, _ = [(STATIC / part).read_text() for part in JOINED["app.js"]]
    places = [text.index(part) for part in ("prefers-color-scheme", *htmx, "target.popover")]
    assert places == sorted(places) and places[0] < 300


async def test_our_files_are_sent_without_comments_and_indentation_and_are_whole(static):
    for name in ("app.js", "app.css"):
        text = (await static.get(url(name))).text
        assert not re.search(r"^\s*//|^ ", text, re.MULTILINE)
        for part in JOINED[name]:
            lines = [line.strip() for line in (STATIC / part).read_text().splitlines()]
            code = [line.partition("/*")[0] for line in lines if not line.startswith("//") and "fonts/" not in line]
            assert [line for line in code if line not in text] == []


def test_what_is_vendored_is_what_its_list_says():
    rows = re.findall(r"\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|", (STATIC / "vendor" / "VENDOR.md").read_text())
    assert len(rows) == 10
    for name, digest in rows:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest


def test_an_icon_is_hidden_from_screen_readers_unless_it_says_something():
    assert 'aria-hidden="true"' in icon("check")
    assert 'role="img" aria-label="Locked"' in icon("lock", label="Locked")


def test_an_icon_nobody_has_is_drawn_as_a_workflow_and_its_name_reaches_no_page():
    assert icon('"><script>') == icon("workflow")


def test_every_icon_a_component_names_is_in_the_sprite():
    sources = "".join(path.read_text() for path in (STATIC.parent / "treadle" / "web").rglob("*.py"))
    named = set(re.findall(r'\bicon\("([a-z0-9-]+)"', sources))
    assert named
    assert named <= {name for name, sprite in assets.icon_names().items() if sprite == "icons.svg"}
