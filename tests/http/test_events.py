"""The stream, over real sockets and with a clock that the test moves: what it says first, when it is silent, who gets
a slot, who is an arrival, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
import uvicorn

from tests.harness import NOWHERE, free_port, same_origin, until
from tests.viewer import Viewer
from treadle.config import Settings
from treadle.conversation import Place
from treadle.web.app import create_app
from treadle.web.delivery import BEAT_S, STUCK_S, delivery
from treadle.web.slots import STREAMS_PER_BROWSER


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(data=tmp_path / "data", open_browser=False, ollama_host=NOWHERE, port=free_port())


class Site:
    """The app of `core` on a port of its own, in this loop, and browsers that look at it."""

    def __init__(self, core) -> None:
        self.core = core
        self.guard = create_app(core)
        self.address = f"http://127.0.0.1:{core.settings.port}"
        self.viewers: list[Viewer] = []

    def viewer(self, path: str = "/events/1", *, as_browser: Viewer | None = None, **options) -> Viewer:
        cookies = as_browser.cookies if as_browser else {
            f"treadle-{self.core.settings.port}": self.core.folder.secret("token")}
        self.viewers.append(Viewer(self.address, cookies, path, **options))
        return self.viewers[-1]

    async def opened(self, *args, **options) -> Viewer:
        viewer = await self.viewer(*args, **options).open()
        await until(lambda: viewer.frames or viewer.ended)
        return viewer

    def program(self, path: str = "/events/1") -> Viewer:
        """Not a browser: it has the token and sends no Sec-Fetch-Site."""
        return self.viewer(path, browser=False,
                           headers={"Authorization": f"Bearer {self.core.folder.secret('token')}"})

    def ask(self, text: str = "Why?") -> int:
        """A question with its reply, which is being written; the id of the reply."""
        number = self.core.feed.rev
        return self.core.conversations.ask(1, text, client_id=f"c{number}", place=Place(), waiting=False)[1].id

    @property
    def streams(self) -> int:
        return delivery(self.core).count

    @property
    def cursor(self) -> str:
        return f"{self.core.db.epoch}-{self.core.feed.rev}"

    @property
    def said(self) -> list[str]:
        return [row.endpoint for row in self.core.conversations.messages(1) if row.role == "arrival"]


@pytest.fixture
async def site(core):
    site = Site(core)
    server = uvicorn.Server(uvicorn.Config(site.guard, port=core.settings.port, http="h11", lifespan="off",
                                           log_config=None, access_log=False, timeout_graceful_shutdown=1))
    listener = socket.create_server(("127.0.0.1", core.settings.port))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # so that a viewer is stuck soon
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    yield site
    for viewer in site.viewers:
        await viewer.cut()
    site.guard.close_streams()
    server.should_exit = True
    await serving
    listener.close()


async def passing(site, condition) -> None:
    """Wait for `condition` while the time of the core goes on in frames."""
    async with asyncio.timeout(10):
        while not condition():
            await site.core.clock.advance(0.05)
            await asyncio.sleep(0.001)


# -- what it says first


async def test_a_stream_begins_at_once_with_the_viewers_own_cursor_and_nothing_to_swap(site):
    viewer = await site.opened(f"/events/1?since={site.cursor}")
    assert (viewer.status, viewer.frames[0].id, viewer.frames[0].data) == (200, site.cursor, None)


async def test_i64_a_stream_is_not_compressed_not_stored_not_buffered_and_stays_open(site):
    viewer = await site.opened("/events/1", headers={"Accept-Encoding": "gzip, br"})
    assert viewer.answer["content-type"] == "text/event-stream; charset=utf-8"
    assert viewer.answer["cache-control"] == "no-store"
    assert viewer.answer["x-accel-buffering"] == "no"
    assert "content-encoding" not in viewer.answer
    assert viewer.answer.get("connection", "") != "close"


async def test_a_page_and_its_stream_leave_nothing_out_and_draw_nothing_twice(site):
    site.ask()
    viewer = await site.viewer().load("/")
    before = viewer.page["log-items"].html
    site.core.conversations.settle(2, "done", rest="Because.")
    await viewer.open()
    await passing(site, lambda: viewer.text("m2-body") == "Because.")
    assert viewer.rows[:2] == ["m1", "m2"]
    assert before != viewer.page["log-items"].html


async def test_last_event_id_stands_above_since(site):
    site.ask()
    viewer = site.viewer(f"/events/1?since={site.core.db.epoch}-0")
    viewer.last_id = site.cursor
    await viewer.open()
    await until(lambda: viewer.frames)
    assert viewer.frames[0].id == site.cursor


@pytest.mark.parametrize("cursor", ["", "garbage", "-", "-5", "1e3", "deadbeef-1", "{epoch}-", "{epoch}--1",
                                    "{epoch}-x", "{epoch}-999999", "{epoch}-99999999999999999999", "{epoch}-\u0663"])
async def test_i5_a_cursor_that_means_nothing_gives_a_snapshot_and_never_silence(site, cursor):
    site.ask()
    viewer = site.viewer("/events/1")
    viewer.last_id = cursor.replace("{epoch}", site.core.db.epoch).encode().decode("latin-1")
    await viewer.open()
    await until(lambda: viewer.messages)
    assert viewer.status == 200
    assert 'hx-target="#log-items" hx-swap="innerHTML"' in viewer.messages[0]
    assert 'id="m1"' in viewer.messages[0] and 'id="m2"' in viewer.messages[0]
    assert viewer.ids == [site.core.feed.rev]


async def test_a_change_while_a_frame_is_being_sent_is_not_missed(core):
    """I1, with the delay between drawing and waiting made as long as can be: the change comes inside `send`."""
    site, sent = Site(core), []

    async def receive() -> dict:
        await asyncio.Event().wait()
        return {}

    async def send(message) -> None:
        body = message.get("body", b"")
        if body and len(sent) < 5 and b"data:" in body:
            core.conversations.ask(1, "?", client_id=f"d{len(sent)}", place=Place(), waiting=False)
            core.conversations.settle(core.conversations.active(1).id, "done", rest=f"answer {len(sent)}")
        sent.append(body)

    scope = {"type": "http", "method": "GET", "path": "/events/1", "query_string": b"", "root_path": "",
             "headers": [(b"host", f"127.0.0.1:{core.settings.port}".encode()),
                         (b"authorization", f"Bearer {core.folder.secret('token')}".encode())],
             "server": ("127.0.0.1", core.settings.port), "client": ("127.0.0.1", 1), "http_version": "1.1"}
    stream = asyncio.create_task(site.guard(scope, receive, send))
    for _ in range(40):
        await core.clock.advance(0.05)
    assert b"answer 3" in b"".join(sent)
    stream.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stream


# -- silence


async def test_i64_a_quiet_stream_says_within_15_s_that_it_is_alive(site):
    viewers = [await site.opened(f"/events/1?since={site.cursor}") for _ in range(3)]
    for times in range(1, 4):
        for _ in range(BEAT_S + 1):
            await site.core.clock.advance(1)
        await until(lambda times=times: all(len(viewer.frames) > times for viewer in viewers))
    assert all(frame.comment for viewer in viewers for frame in viewer.frames[1:])


# -- who is not served


@pytest.mark.parametrize("path", ["/events/2", "/events/0", "/events/99999999999999999999", "/events/x", "/events/"])
async def test_i65_an_unknown_conversation_is_a_404(site, path):
    assert (await site.viewer().request("GET", path))[0] == 404


async def test_i65_a_conversation_deleted_while_it_is_watched_ends_the_stream_and_is_a_404_then(site):
    site.core.db.execute("INSERT INTO conversations (id, created_at, rev) VALUES (2, 0, 0)")
    viewer = await site.opened("/events/2")
    with site.core.feed.change() as rev:
        site.core.db.execute("UPDATE conversations SET deleted = 1, rev = ? WHERE id = 2", (rev,))
    await site.core.clock.advance(1)
    await until(lambda: viewer.ended)
    await viewer.resume()
    assert viewer.status == 404


async def test_a_head_request_ends_and_opens_nothing(site):
    viewer = site.viewer()
    assert (await viewer.request("HEAD", "/events/1"))[0] == 200
    assert site.streams == 0


# -- slots


async def test_a_fifth_page_takes_the_slot_of_the_oldest_which_comes_back_and_polls(site):
    first = await site.opened()
    others = [await site.opened(as_browser=first) for _ in range(STREAMS_PER_BROWSER - 1)]
    assert site.streams == STREAMS_PER_BROWSER
    last = await site.opened(as_browser=first)
    await until(lambda: first.ended)
    assert site.streams == STREAMS_PER_BROWSER
    site.ask("a question while nobody holds it a slot")
    before = len(first.messages)
    await first.resume()
    await until(lambda: first.ended)
    assert first.status == 200 and "while nobody holds it a slot" in first.messages[before]
    assert not any(viewer.ended for viewer in [*others, last])
    await last.cut()
    await until(lambda: site.streams == STREAMS_PER_BROWSER - 1)
    await first.resume()
    await until(lambda: site.streams == STREAMS_PER_BROWSER)
    assert not first.ended


async def test_a_stream_without_a_slot_keeps_its_cursor_when_there_is_nothing_new(site):
    first = await site.opened()
    for _ in range(STREAMS_PER_BROWSER):
        await site.opened(as_browser=first)
    await until(lambda: first.ended)
    for _ in range(3):
        await first.resume()
        await until(lambda: first.ended)
        assert first.frames[-1].id == first.last_id == site.cursor


async def test_another_browser_has_slots_of_its_own_and_a_program_needs_none(site):
    viewers = [await site.opened() for _ in range(STREAMS_PER_BROWSER)]
    assert len({viewer.cookies[f"treadle-browser-{site.core.settings.port}"] for viewer in viewers}) == len(viewers)
    programs = [await site.program().open() for _ in range(STREAMS_PER_BROWSER + 2)]
    await until(lambda: site.streams == 2 * STREAMS_PER_BROWSER + 2)
    assert "set-cookie" not in programs[0].answer


async def test_a_page_names_the_browser_so_that_its_first_streams_share_the_slots(site):
    viewer = await site.viewer().load("/")
    name = viewer.cookies[f"treadle-browser-{site.core.settings.port}"]
    await viewer.open()
    assert "set-cookie" not in viewer.answer
    assert delivery(site.core).slots.held(name) == 1


async def test_i40_a_closed_viewer_is_gone_at_once_and_leaves_nothing_behind(site):
    tasks = len(asyncio.all_tasks())
    viewers = [await site.program().open() for _ in range(20)]
    assert site.streams == 20
    for viewer in viewers:
        await viewer.cut()
    await until(lambda: site.streams == 0)
    await site.core.clock.advance(2)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


# -- arrivals


async def settle(site) -> None:
    for _ in range(4):
        await site.core.clock.advance(0.2)
        await asyncio.sleep(0.005)


async def test_the_first_stream_of_a_page_is_an_arrival_and_its_reload_is_none(site):
    for _ in range(2):
        viewer = await site.opened(f"/events/1?since={site.cursor}&at=hello")
        await settle(site)
        await viewer.cut()
        await site.core.clock.advance(10)
    assert site.said == ["hello"]


async def test_i62_rendering_consumes_nothing_and_delivering_does(site):
    viewer = site.viewer()
    for _ in range(3):
        await viewer.load("/hello")
    await settle(site)
    assert site.said == []
    await viewer.open()
    await settle(site)
    other = await site.viewer().load("/hello")
    await other.open()
    await settle(site)
    assert site.said == ["hello"]
    await viewer.until(lambda viewer: len(viewer.rows) == 1)


async def test_a_stream_that_resumes_is_never_an_arrival(site):
    viewer = site.viewer("/events/1?at=hello")
    viewer.last_id = site.cursor
    await viewer.open()
    await settle(site)
    assert site.said == []


async def test_a_program_or_a_typed_address_is_no_arrival(site):
    await site.program("/events/1?at=hello").open()
    viewer = site.viewer("/events/1?at=hello", headers={})
    head = {**same_origin(site.address), "Sec-Fetch-Site": "none"}
    head.pop("Origin")
    viewer.browser, viewer.headers = False, head
    await viewer.open()
    await settle(site)
    assert viewer.status == 200
    assert site.said == []


@pytest.mark.parametrize("at", ["nowhere", "", "../hello", "%00"])
async def test_a_first_stream_at_no_place_says_nothing_and_is_served(site, at):
    viewer = await site.opened(f"/events/1?at={at}")
    await settle(site)
    assert viewer.status == 200 and site.said == []


async def test_a_foreign_page_opens_no_stream(site):
    for fetch in ("cross-site", "same-site"):
        status, _, _ = await site.viewer().request("GET", "/events/1?at=hello", headers={"Sec-Fetch-Site": fetch})
        assert status == 403
    await settle(site)
    assert site.said == []


# -- ends


async def test_i58_when_the_server_stops_every_stream_ends_with_a_hint_together_with_data(site):
    viewers = [await site.opened() for _ in range(3)]
    site.guard.close_streams()
    await until(lambda: all(viewer.ended for viewer in viewers))
    for viewer in viewers:
        assert viewer.frames[-1].data == "" and 700 <= viewer.frames[-1].retry <= 1500


async def test_a_hint_to_wait_is_taken_back_with_the_first_message_after_it(site):
    viewer = await site.opened(f"/events/1?since={site.cursor}")
    site.ask()
    await site.core.clock.advance(1)
    await until(lambda: viewer.messages)
    assert [frame.retry for frame in viewer.frames if frame.data] == [300]


async def test_a_viewer_that_takes_nothing_is_let_go_and_resumes_with_all_it_missed(site):
    stuck, healthy = site.viewer(buffer=4096), await site.opened()
    await stuck.load("/")
    await stuck.open()
    stuck.stop_reading()
    reply = site.ask()
    text = "word " * 40_000
    for number in range(8):  # more than the buffers of both ends hold
        site.core.conversations.write(reply, text=f"\n\n{number} " + text[:20_000])
        await passing(site, lambda number=number: f"{number} word" in "".join(healthy.messages[-3:]))
    site.core.conversations.settle(reply, "done")
    for _ in range(STUCK_S + 2 * BEAT_S):
        await site.core.clock.advance(1)
    await until(lambda: site.streams == 1)
    assert not healthy.ended
    await stuck.resume()
    stuck.go_on_reading()
    await passing(site, lambda: "7 word" in stuck.text(f"m{reply}-body"))
    assert stuck.page.count(f"m{reply}") == 1


async def test_a_viewer_that_vanishes_in_the_middle_of_a_frame_harms_nobody(site):
    viewer = await site.viewer(buffer=4096).open()
    viewer.stop_reading()
    reply = site.ask()
    site.core.conversations.write(reply, text="word " * 100_000)
    await site.core.clock.advance(0.1)
    viewer._writer.transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    await viewer.cut()
    await until(lambda: site.streams == 0)
