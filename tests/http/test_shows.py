"""What a run shows, over HTTP: frames with a policy of their own, pictures, downloads, tables; nothing is a 500."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from tests.browsing import form_to, forms, submit
from tests.harness import HX, until
from tests.partials import parse
from treadle.config import Settings
from treadle.web.assets import LATE

ODD = '''
from treadle import Code, Diagram, Download, Graph, Image, Table, Ui, workflow

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
                    "0000000a49444154789c63600000000200014898c9d10000000049454e44ae426082")


class Fails:
    def __ft__(self):
        raise LookupError("no data")


@workflow("Odd", message="m")
async def odd(ui: Ui):
    ui.show("half \\ud83d", Table([{"half \\ud83d": "half \\ud83d"}] * 12))         # 1, 2
    ui.show(Diagram("flowchart LR; a[</script><b>]-->b", title="A <b> diagram"))  # 3
    ui.show(Graph(["a", "b"], [("a", "b")]), Image(PNG, alt="a dot"))             # 4, 5
    ui.show(Download("half \\ud83d", 'no"tes\\ud83d.txt'), Fails(), Code("x"))      # 6, 7, 8
    ui.export("half.csv", rows=[{"a": "half \\ud83d"}])
    ui.export("deep.json", rows=[{("a", 1): 2}])
    if await ui.approve("Good", Diagram("flowchart LR; c-->d")):                  # 9
        ui.export("keys.json", counts={("a", 1): 2})
'''


@pytest.fixture
def settings(request, tmp_path):
    if "gallery" in request.node.name:
        return Settings(data=tmp_path / "data", open_browser=False, ollama_host="http://127.0.0.1:9")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "010_odd.py").write_text(ODD)
    return Settings(data=tmp_path / "data", plugins=tmp_path / "plugins", open_browser=False,
                    ollama_host="http://127.0.0.1:9")


async def approve(client) -> httpx.Response:
    form = next(form for form in forms((await client.get("/odd")).text) if form.attrs["action"] == "/runs/new/odd")
    return await submit(client, form, value="yes")


async def test_what_fails_and_what_is_half_is_drawn_and_the_rest_with_it(client):
    page = await client.get("/odd")
    text = parse(page.text).find("main").text
    assert page.status_code == 200
    assert "half \ufffd" in text and "This Fails could not be drawn. LookupError: no data" in text and "x" in text
    table = await client.get("/runs/new/odd/shows/2?q=half&sort=half", headers=HX)
    assert table.status_code == 200 and "half \ufffd" in table.text
    assert (await client.get("/runs/new/odd/exports/half-csv")).text == "\ufeffa\r\nhalf \ufffd\r\n"


async def test_a_frame_has_no_origin_and_a_policy_of_its_own(client):
    frame = await client.get("/frame/new/odd/3")
    policy = dict(part.strip().partition(" ")[::2] for part in frame.headers["content-security-policy"].split(";"))
    assert policy["sandbox"] == "allow-scripts" and policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'" and policy["frame-ancestors"] == "'self'"
    assert not {"connect-src", "frame-src", "object-src"} & set(policy)  # 'none', as nothing else is said
    assert frame.headers["x-frame-options"] == "SAMEORIGIN"
    assert (await client.get("/odd")).headers["x-frame-options"] == "DENY"
    assert "frame-src 'self'" in (await client.get("/odd")).headers["content-security-policy"]


async def test_what_a_frame_draws_ends_no_element_of_its_page(client):
    page = (await client.get("/frame/new/odd/3")).text
    assert "<title>A &lt;b&gt; diagram</title>" in page and page.count("</script>") == 2
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)[1]
    assert json.loads(data) == {"text": "flowchart LR; a[</script><b>]-->b"}


async def test_a_frame_loads_our_static_files_only(client):
    for n, script in ((3, "diagram"), (4, "graph")):
        page = (await client.get(f"/frame/new/odd/{n}")).text
        sources = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert [re.fullmatch(rf"/static/(frame|{script})-[0-9a-f]{{10}}\.(css|js)", source) is not None
                for source in sources] == [True, True]
        for source in sources:
            sandboxed = {"origin": "null", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
            answer = await client.get(source, headers=sandboxed)
            assert answer.status_code == 200 and answer.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(("path", "origin"), [("/odd", "null"), ("/frame/new/odd/3", "null"),
                                              ("/static/x.js", "http://evil.test")])
async def test_a_frame_can_ask_for_nothing_else(client, path, origin):
    answer = await client.get(path, headers={"origin": origin, "sec-fetch-site": "cross-site"})
    assert answer.status_code == 403


async def test_a_picture_is_one_and_can_act_nowhere(client):
    picture = await client.get("/frame/new/odd/5")
    assert picture.headers["content-type"] == "image/png" and picture.content.startswith(b"\x89PNG")
    assert picture.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


async def test_a_download_is_an_attachment_under_its_name(client):
    answer = await client.get("/frame/new/odd/6")
    assert answer.text == "half \ufffd" and answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("path", ["/frame/new/odd/1", "/frame/new/odd/99", "/frame/new/odd/x", "/frame/new/nothing/1",
                                  "/frame/default-odd-99/1", "/frame/new/odd/0"])
async def test_what_is_no_picture_is_not_found(client, path):
    assert (await client.get(path)).status_code == 404


async def test_no_frame_is_put_into_a_page(client):
    assert 400 <= (await client.get("/frame/new/odd/3", headers=HX)).status_code < 500


async def test_a_graph_is_a_table_too(client):
    table = (await client.get("/runs/new/odd/shows/4", headers=HX)).text
    assert "leads to" in table and "<form" in table


async def test_what_is_approved_is_drawn_in_a_frame_of_the_run(client):
    assert "/frame/new/odd/9?v=" in (await client.get("/odd")).text
    await approve(client)
    page = await client.get("/frame/default-odd-01/9")
    assert page.status_code == 200 and "c--" in page.text


async def test_keys_no_export_holds_are_told_and_nothing_is_a_500(client):
    deep = await client.get("/runs/new/odd/exports/deep-json")
    assert "deep.json" in deep.text and "cannot be written" in deep.text and "Traceback" not in deep.text
    path = (await approve(client)).headers["location"]
    page = await client.get(path)
    assert page.status_code == 200 and "keys are texts or numbers" in parse(page.text).find("main").text


async def test_pages_without_a_frame_load_nothing_of_it(client):
    names = [name.rpartition(".")[0] for name in LATE]
    for path in ("/", "/docs"):
        page = (await client.get(path)).text
        assert not [name for name in names if f"/static/{name}-" in page]


async def test_a_late_asset_is_found_by_a_page_of_an_earlier_start(client):
    from treadle.web import assets

    address = assets.url("graph.js")
    del assets._ASSETS["graph.js"], assets._BY_URL[address]
    answer = await client.get(address)
    assert answer.status_code == 200 and answer.headers["content-encoding"] == "gzip"
    assert (await client.get("/static/graph-0000000000.js")).status_code == 404


# -- the gallery


@pytest.mark.parametrize("name", ["Markdown", "Table", "Code", "Diagram", "Graph", "Image", "Download", "Components",
                                  "pandas", "matplotlib", "plotly", "altair", "rich"])
async def test_each_of_the_gallery_draws_with_its_code(client, name):
    form = form_to((await client.get("/show_gallery")).text, "/runs/new/show_gallery")
    sent = await submit(client, form, value=name)

    async def whole() -> httpx.Response | None:  # with what its job makes
        page = await client.get(sent.headers["location"])
        return page if f"async def {name.lower()}(ui" in parse(page.text).find("main").text else None

    page = await until(whole, within=20)
    main = parse(page.text).find("main")
    assert "could not be drawn" not in main.text
    for address in re.findall(r'(?:src|href)="(/frame/[^"]+)"', page.text):
        assert (await client.get(address.replace("&amp;", "&"))).status_code == 200


async def test_every_field_of_the_gallery_is_drawn_and_answered_with_what_it_proposes(client):
    fields = parse((await client.get("/field_gallery")).text).find("main").text
    form = form_to((await client.get("/field_gallery")).text, "/runs/new/field_gallery")
    path = (await submit(client, form)).headers["location"]
    asked = 0
    while found := [form for form in forms((await client.get(path)).text) if "/steps/" in form.attrs["action"]]:
        decides = {"value": "yes"} if found[0].attrs["action"].endswith("/go") else {}
        answer = await submit(client, found[0], **decides)
        assert answer.status_code == 303, parse(answer.text).find("main").text
        asked += 1
    main = parse((await client.get(path)).text).find("main").text
    assert asked == 24 and "Secret" in fields and "What the workflow was given" in main
