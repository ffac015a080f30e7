"""What a hostile model, or a page elsewhere, can do in a real browser: nothing. SECURITY.md rows 1 to 8 and 11 to 17.

The outputs are drawn with the policy switched off: the sanitiser alone must hold. The pages attack with it on.
"""

from __future__ import annotations

import http.server
import re
import sqlite3
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.browser.conftest import connected, ended, eventually
from tests.fakes import Script
from tests.harness import HX, soak
from tests.hostile import BEACON, chunks, outputs

# every element of the replies: what it is, and each attribute; what stands outside of them; what else may have changed
AUDIT = """() => {
    const tags = new Set(("P CODE STRONG EM DEL BR HR UL OL LI BLOCKQUOTE H3 TABLE THEAD TBODY TR TH TD PRE DIV SPAN " +
        "A LABEL INPUT BUTTON SVG USE").split(" "));
    const names = new Set(("id class tabindex role aria-label href title rel target start scope type checked " +
        "disabled data-copy aria-hidden data-htmx-powered").split(" "));
    const wrong = [];
    for (const part of document.querySelectorAll(".msg.assistant > .body *")) {
        if (!tags.has(part.tagName.toUpperCase())) wrong.push(part.outerHTML.slice(0, 120));
        for (const {name} of part.attributes) if (!names.has(name)) wrong.push(`${part.tagName} ${name}`);
        if (part.id && !/^m\\d+-(b?\\d+)$/.test(part.id)) wrong.push(`id ${part.id}`);
        if (part.tagName === "A" && !["http:", "https:", "mailto:"].includes(part.protocol)) wrong.push(part.href);
        if (part.tagName === "INPUT" && !(part.type === "checkbox" && part.disabled)) wrong.push(part.outerHTML);
        if (getComputedStyle(part).position === "fixed") wrong.push(`fixed ${part.outerHTML.slice(0, 80)}`);
    }
    const shell = ["main", "chat", "log", "log-items", "composer", "text", "live", "menu", "model"]
        .map((id) => document.querySelectorAll(`#${id}`).length);
    if (shell.some((count) => count !== 1)) wrong.push(`shell ${shell}`);
    const scripts = document.querySelectorAll("script:not(head script), iframe, object, embed, base, style, frame");
    if (scripts.length) wrong.push([...scripts].map((each) => each.outerHTML).join().slice(0, 200));
    if (window.__pwned) wrong.push("a script ran");
    return {wrong, title: document.title, at: location.pathname, children: document.body.children.length};
}"""
OWN = ("/static/", "/events/1", "/chat/1")


async def test_no_output_of_a_model_acts_live_or_reloaded_with_the_policy_switched_off(own, windows, model):
    context = await windows.new()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(f"{request.method} {request.url}"))

    async def without_policy(route) -> None:
        if route.request.resource_type != "document":
            return await route.continue_()
        answer = await route.fetch()
        headers = {name: value for name, value in answer.headers.items() if name != "content-security-policy"}
        await route.fulfill(response=answer, headers=headers)

    await context.route("**/*", without_policy)
    await context.route(f"{BEACON}/**", lambda route: route.abort())
    page = await context.new_page()
    page.on("dialog", lambda dialog: asked.append("a dialog"))
    await page.goto("/")
    await connected(page)
    assert await page.evaluate("() => { const s = document.createElement('script'); s.textContent = 'window.__on = 1';"
                               " document.head.append(s); s.remove(); return window.__on }") == 1, "the policy is off"
    before = await page.evaluate(AUDIT)
    assert not before["wrong"]
    every = outputs()[::soak(12, 1)]
    for number, output in enumerate(every):
        model.next(Script(chunks=chunks(output, number)))
        asked.clear()
        async with own.client() as client:
            assert (await client.post("/chat/1", data={"text": f"q{number}"}, headers=HX)).status_code == 204
        await page.locator(f".msg.user:has-text('q{number}')").last.wait_for()
        await ended(page)
        after = await page.evaluate(AUDIT)
        assert after == before, (output, after)
        assert all(any(f"{own.address}{path}" in each for path in OWN) for each in asked), (output, asked)
        if number % 40 == 39 or number == len(every) - 1:
            asked.clear()
            await page.reload()
            await connected(page)
            assert await page.evaluate(AUDIT) == before
            assert not [each for each in asked if BEACON in each or each.startswith("POST")], asked


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[dict[str, str]]:
    """A site of somebody else: `pages` by their path. At 127.0.0.1 it is the same site, at localhost another one."""
    pages: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path.partition("?")[0], "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        pages["port"] = str(server.server_port)
        yield pages
        server.shutdown()
        thread.join()


ATTACKS = {
    "forms and fetches": """<script>
        const done = [];
        for (const [path, fields] of [["/redirect/hello", ""], ["/chat/1", "text=forged"], ["/runs/new/hello",
                "value=forged"], ["/model/address", "address=127.0.0.1:1"], ["/chat/1/stop", ""]]) {
            for (const type of ["text/plain", "application/x-www-form-urlencoded"])
                done.push(fetch("AT" + path, {method: "POST", mode: "no-cors", credentials: "include",
                    headers: {"Content-Type": type}, body: fields}).catch(() => 0));
            navigator.sendBeacon("AT" + path, new Blob([fields], {type: "text/plain"}));
            const frame = Object.assign(document.createElement("iframe"), {name: "f" + path});
            document.body.append(frame);
            const form = Object.assign(document.createElement("form"), {method: "post", action: "AT" + path,
                target: frame.name});
            for (const [name, value] of new URLSearchParams(fields))
                form.append(Object.assign(document.createElement("input"), {name, value}));
            document.body.append(form);
            form.submit();
        }
        Promise.all(done).then(() => { window.done = true });
    </script>""",
    "reading": """<script>
        window.read = [];
        const seen = (what) => (value) => window.read.push(what + " " + value);
        const done = ["/", "/chat/1", "/hello", "/model", "/events/1", "/login"].map((path) =>
            fetch("AT" + path, {credentials: "include"}).then((a) => a.text()).then(seen("fetch"), () => 0));
        for (const [tag, source] of [["img", "src"], ["script", "src"], ["iframe", "src"], ["object", "data"],
                ["embed", "src"], ["video", "src"]]) {
            const part = document.createElement(tag);
            part[source] = "AT/chat/1";
            document.body.append(part);
            done.push(new Promise((next) => { setTimeout(next, 500); part.onerror = next; part.onload = next; }));
        }
        const stream = new EventSource("AT/events/1?at=hello", {withCredentials: true});
        stream.onmessage = (event) => seen("stream")(event.data);
        done.push(new Promise((next) => { stream.onerror = next; }));
        Promise.all(done).then(() => {
            window.done = true;
        });
    </script>""",
    "a window that stays in hand": """<script>
        window.addEventListener("message", () => { window.got = true });
        window.opened = window.open("AT/hello");
        setTimeout(() => {
            window.held = !window.opened.closed;
            window.done = true;
        }, 700);
    </script>""",
    "a link": "<a id=go href='AT/LINK'>A prize</a><script>document.getElementById('go').click()</script>",
}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["another port", "another site"])
@pytest.mark.parametrize("name", ATTACKS)
async def test_a_page_elsewhere_has_no_effect_and_reads_nothing(own, windows, elsewhere, name, host):
    broken_out = quote('"><script src="/static/x.js"></script><div hx-post="/chat/1" hx-trigger="load"></div>')
    link = f"runs/uploads/xxxxxxxx?field={broken_out}&tries=0"
    elsewhere["/attack"] = ("<!doctype html><body>" + ATTACKS[name].replace("LINK", link)).replace("AT", own.address)
    context = await windows.new()
    windows.watch(context).expect(".*")  # the attack is noisy; what counts is what it did
    page = await context.new_page()
    async with own.client() as client:
        before = (await client.get("/")).text
        await page.goto(f"http://{host}:{elsewhere['port']}/attack")
        if name == "a link":
            await eventually(lambda: page.evaluate("location.pathname.startsWith('/runs')"))
            assert not await page.evaluate("!!document.querySelector('[hx-post], script[src*=\"x.js\"]')")
        else:
            await eventually(lambda: page.evaluate("window.done === true"), within=10)
            assert not await page.evaluate("(window.read ?? []).length + (window.got ? 1 : 0) + (window.held ? 1 : 0)")
        for frame in page.frames[1:]:
            assert not await frame.locator("#composer, #log, main").count(), "no page of ours is drawn in a frame"
        after = (await client.get("/")).text
    before, after = ("\n".join(re.findall(r'<article.*?</article>', text, re.S)) for text in (before, after))
    if name == "a window that stays in hand":
        assert "forged" not in after, "it says where it is, as a link that is followed does"
    else:
        assert after == before, "nothing was said or asked"
    assert not list(sqlite3.connect(own.data / "treadle.db").execute("SELECT key FROM runs"))
    assert "model.address" not in dict(sqlite3.connect(own.data / "treadle.db").execute(
        "SELECT key, value FROM settings"))
