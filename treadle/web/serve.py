"""One process, one loop, one socket: from the settings to a server that listens, and to its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType

import uvicorn
from loguru import logger

from .. import logs
from ..config import Settings
from ..core import Core
from ..errors import StartError
from ..folder import DataFolder
from .app import create_app
from .guard import Guard

SWITCH_S = 0.0005  # with Python's own 5 ms four threads of plugins made pages fifteen times slower
CONNECTIONS = 2_200  # more than the 2,000 streams promised
GRACE_S = 1  # for answers under way when the server stops
END_S = 1.8  # from the signal to the end, whatever still holds on; what is committed is kept


class Server(uvicorn.Server):
    """uvicorn, which ends open streams first, and leaves signals to us."""

    def __init__(self, config: uvicorn.Config, guard: Guard) -> None:
        super().__init__(config)
        self.guard = guard

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours instead of uvicorn's, which raises the signal again before the database is closed."""
        self.loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            return  # once more: make and a terminal both pass it on; the end comes soon enough
        self.should_exit = True
        watchdog = threading.Timer(END_S, os._exit, [0])  # a thread of a plugin may hold on for as long as it likes
        watchdog.daemon = True
        watchdog.start()
        self.loop.call_soon_threadsafe(self.guard.close_streams)


def bind(settings: Settings) -> socket.socket:
    """The socket to listen on. Raises `StartError` when the port is taken or the address is not this computer's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise StartError(f"{settings.host} is no address of this computer.", hint="Leave --host away.") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a restart waits for old connections
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise StartError(f"{settings.host} is no address of this computer.", hint="Leave --host away.") from error
        if settings.data.is_dir():
            DataFolder(settings.data).close()  # the same command again: says that Treadle runs, and where
        raise StartError(f"Port {settings.port} on {settings.host} cannot be used: {error.strerror}.",
                         hint="End what uses it, or choose another with --port.") from error
    return listener


def run(settings: Settings) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises `StartError`; otherwise it ends the process and never returns."""
    if not settings.token and not settings.loopback:
        raise StartError("Without a token Treadle listens on this computer only.",
                         hint="Leave --no-token away, or leave --host away.")
    sys.setswitchinterval(SWITCH_S)
    _many_files()
    with bind(settings) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        logs.begin(settings.data / "logs")
        asyncio.run(_serve(settings, listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    async with Core.open(settings) as core:
        guard = create_app(core)
        logs.hide(core.folder.secret("token"))
        logs.hide(core.folder.secret("key"))
        logs.hide(core.folder.secret("cli.token"))
        config = uvicorn.Config(
            guard, http="h11", ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False,
            server_header=False, timeout_graceful_shutdown=GRACE_S, timeout_keep_alive=30,
            limit_concurrency=CONNECTIONS)
        server = Server(config, guard)
        config.load()
        opened = asyncio.get_running_loop().create_task(_opened(server, core, guard), name="opened")
        await server.serve(sockets=[listener])
        opened.cancel()
    logger.info("Treadle has ended")
    sys.stdout.flush()
    os._exit(0)  # asyncio.run would wait for threads; the database is closed, and nothing else needs an end


async def _opened(server: Server, core: Core, guard: Guard) -> None:
    """Once it listens: say so, and open the browser."""
    while not server.started:
        await asyncio.sleep(0)
    gc.enable()  # server.py starts without
    gc.freeze()  # what the start has made stays; looking through it would hold the loop for 20 ms now and then
    settings = core.settings
    address = f"http://{'[::1]' if settings.host == '::1' else '127.0.0.1'}:{settings.port}"
    link = f"{address}/login?token={core.folder.secret('token')}" if settings.token else address
    logger.info("Treadle serves {}; its data is in {}", address, settings.data)
    print(f"\n  Treadle: {link}\n  Ctrl-C ends it.\n", flush=True)  # the link to the terminal only, never to the log
    core.folder.announce(address=address, pid=os.getpid())
    screen = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if settings.open_browser and screen:
        ticket = f"{address}/login?token={guard.ticket()}" if settings.token else address
        threading.Thread(target=_browse, args=[ticket], daemon=True).start()


def _browse(url: str) -> None:
    import webbrowser

    webbrowser.open(url)


def _many_files() -> None:
    """Let every promised stream have its descriptor; many systems begin with 1,024."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8_192 if hard == resource.RLIM_INFINITY else min(hard, 8_192)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
