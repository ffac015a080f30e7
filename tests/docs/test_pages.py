"""The pages of the documentation: complete, up to date, linked, and the same in the app."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

import treadle
from docs.reference.__main__ import made, stale, variables
from docs.reference.words import ENVIRONMENT, PAGES
from tests.docs.blocks import DOCS, FENCE, blocks, name_of
from tests.docs.blocks import PAGES as FILES
from treadle.config import ROOT
from treadle.testing import Played, Player
from treadle.web.routes.docs import CODE, slug

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CALLS = [f"ui.{name}" for name in vars(treadle.Ui) if not name.startswith("_")]
NAMES = [page.relative_to(DOCS).with_suffix("").as_posix() for page in FILES if page.parent not in (ROOT, DOCS)]


def prose(page: Path) -> str:
    """A page without its code."""
    return CODE.sub("", page.read_text())


def test_the_reference_is_up_to_date():
    assert [path.name for path in stale()] == [], "python -m docs.reference writes it anew"


@pytest.mark.parametrize("name", sorted({*treadle.__all__, *CALLS}))
def test_every_public_name_has_one_entry_with_a_running_example(name):
    entries = [entry for text in made().values() for entry in text.split("\n## ") if entry.split("\n", 1)[0] == name]
    assert len(entries) == 1
    (code,) = [match[3] for match in FENCE.finditer(entries[0]) if match[1] == "python"]
    assert "\ndef test_" in code
    assert re.search(rf"\b{name}\b" if name not in ("Ui",) else r"ui: Ui", code), f"the example does not use {name}"


def test_the_reference_has_no_entry_for_what_is_not_there():
    assert {name for page in PAGES.values() for name in page.names.split()} == {*treadle.__all__, *CALLS}
    examples = {path.stem for path in (DOCS / "reference" / "examples").glob("*.py")}
    assert examples == {name.lower().replace(".", "_") for name in (*treadle.__all__, *CALLS)}


def test_what_the_fixture_can_do_and_what_the_environment_sets_is_told():
    told = (DOCS / "reference" / "testing.md").read_text()
    for kind, name, inner in ((Player, "run", {"close"}), (Played, "r", {"key"})):
        public = {each for each in vars(kind) if not each.startswith("_")} - inner
        assert public <= set(re.findall(rf"\b{name}\.(\w+)", told))
    assert variables() - {"DISPLAY", "WAYLAND_DISPLAY"} == set(ENVIRONMENT)


def test_every_command_is_told_of_by_hand_too():
    told = (DOCS / "reference" / "command-line.md").read_text()
    commands = re.findall(r"^## (.+)$", made()[DOCS / "reference" / "command-help.md"], re.M)
    assert len(commands) >= 6
    for name in commands:
        assert re.search(rf"^\| `{name}\b", told, re.M), name


@pytest.mark.parametrize("page", FILES, ids=name_of)
def test_a_link_leads_somewhere(page):
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"https?:|mailto:", path):
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        if anchor:
            assert anchor in {slug(re.sub(r"`", "", found)) for found in
                              re.findall(r"^#+ (.+)$", file.read_text(), re.M)}, target
        if DOCS in page.parents:  # what lies elsewhere is no page of the app
            assert DOCS in file.parents and file.suffix == ".md", target


def test_the_index_lists_every_page_once_by_its_title():
    listed = re.findall(r"^- \[(.+)\]\((.+)\.md\): [^\n]+\.$", (DOCS / "README.md").read_text(), re.M)
    titles = {name: (DOCS / f"{name}.md").read_text().partition("\n")[0].removeprefix("# ") for name in NAMES}
    assert sorted(listed) == sorted((title, name) for name, title in titles.items())


@pytest.mark.parametrize("page", FILES, ids=name_of)
def test_the_prose_is_calm(page):
    text = prose(page)
    assert not re.search(r"!(?!\[)", text)
    assert not re.search(r"\b(simply|just|easy|easily|powerful|blazing|seamless\w*|awesome|great)\b", text, re.I)
    assert all(mark.isascii() or mark in "…“”‘’–" for mark in text), {mark for mark in text if not mark.isascii()}
    assert text.startswith("# ") and len(re.findall(r"^# ", text, re.M)) == 1


def test_what_is_read_only_is_no_plugin():
    """`py` is for signatures and for code of others; what could run is `python`."""
    for page in FILES:
        assert not [block.id for block in blocks(page) if block.language == "py" and "from treadle" in block.code]


async def test_the_index_in_the_app_names_every_page_by_kind(client):
    html = (await client.get("/docs")).text
    assert re.findall(r"<h2 id=\"kind-\d\">(.*?)</h2>", html) == ["Learn it", "How to", "Look it up", "Why it is so"]
    assert sorted(re.findall(r'class="nm" href="/docs/([^"]+)"', html)) == sorted(NAMES)


async def test_links_and_headings_of_every_page_work_in_the_app(client):
    pages = {f"/docs/{name}": (await client.get(f"/docs/{name}")).text for name in NAMES}
    pages["/docs"] = (await client.get("/docs")).text
    for name in NAMES:
        html = pages[f"/docs/{name}"]
        body = html[html.index('<div class="prose">'):html.index("<aside")]
        assert "docs.invalid" not in html and "](" not in re.sub(r"<code>.*?</code>", "", body, flags=re.S), name
        inside = [target for target in LINK.findall(prose(DOCS / f"{name}.md")) if "://" not in target]
        links = re.findall(r'<a href="(/docs[^"]*)"', body)
        assert len(links) == len(inside), name
        for path, _, anchor in (link.partition("#") for link in links):
            assert path in pages, (name, path)
            assert not anchor or f' id="{anchor}"' in pages[path], (name, path, anchor)
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), name


async def test_code_is_shown_as_it_is_in_the_file(client):
    page = DOCS / "how-to" / "files.md"
    html = (await client.get("/docs/how-to/files")).text
    shown = [unescape(re.sub(r"<[^>]+>", "", code)) for code in re.findall(r"<pre[^>]*><code>(.*?)</code>", html, re.S)]
    assert shown == [block.code.removesuffix("\n") for block in blocks(page)]
    copies = re.findall(r'<button class="([^"]+)"[^>]*data-copy=""', html)
    assert len(copies) == len(shown) and all("js" in classes.split() for classes in copies), "none without a script"


async def test_links_keep_the_conversation(client, core):
    core.db.execute("INSERT INTO conversations (id, created_at, rev) VALUES (2, 0, 0)")
    assert 'href="/docs/how-to/files?chat=2"' in (await client.get("/docs/how-to/long-jobs?chat=2")).text
    assert 'href="/docs/how-to/files?chat=2"' in (await client.get("/docs?chat=2")).text


@pytest.mark.parametrize("line,told", [("await asyncio.sleep(0)", True), ("1 / 0", False)])
async def test_the_card_of_a_broken_rule_leads_to_what_is_told_of_it(core, client, line, told):
    """The error of an author's own code leads nowhere: its traceback says what there is to say."""
    folder = core.settings.plugins
    head = "import asyncio\nfrom treadle import workflow\n@workflow('Wrong', message='m')\nasync def wrong(ui):\n"
    (folder / "010_wrong.py").write_text(f"{head}    {line}\n")
    core.plugins.load()
    link = '<a href="/docs/explanation/replay">What may stand between awaits</a>'
    assert (link in (await client.get("/wrong")).text) is told


@pytest.fixture
def settings(settings, tmp_path):
    """With a folder of plugins of its own."""
    (tmp_path / "plugins").mkdir()
    return replace(settings, plugins=tmp_path / "plugins")


@pytest.mark.parametrize("name", ["from-a-notebook", "package-a-plugin"])
def test_who_takes_code_from_others_is_told_what_that_means(name):
    told = prose(DOCS / "how-to" / f"{name}.md")
    assert "trust" in told or "would run yourself" in told


def test_the_page_of_secrets_says_what_is_not_recognised():
    told = (DOCS / "reference" / "fields.md").read_text().partition("## Secret")[2].partition("\n## ")[0]
    assert "12 characters" in told and "below 4" in told and "base64" in told
