"""Connections on which no answer takes longer than said, however slowly, and in however many pieces, it comes.

A timeout is otherwise that of one read: a byte now and then, or interim answers without end, would never meet it.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from ssl import SSLContext
from typing import Any

import httpcore

_until = threading.local()  # `at`: when what this thread reads has to be there


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What this thread reads in here has to be there in so many seconds, else it raises `httpcore.ReadTimeout`."""
    _until.at = time.monotonic() + seconds
    try:
        yield
    finally:
        del _until.at


@cache
def pool() -> httpcore.ConnectionPool:
    """The one there is. Its connections are not kept: they are known by their address, and of two hosts that share one,
    one would be asked where the other has shown its certificate. No proxy, no cookies; redirects are its caller's.
    """
    return httpcore.ConnectionPool(max_connections=20, max_keepalive_connections=0, network_backend=_Backend())


class _Backend(httpcore.SyncBackend):
    def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
                    socket_options: Iterable[Any] | None = None) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = getattr(_until, "at", float("inf")) - time.monotonic()
        try:
            if left > 0:
                return self._inner.read(max_bytes, left if timeout is None else min(timeout, left))
        except httpcore.ReadTimeout:
            if timeout is not None and timeout < left:
                raise
        raise httpcore.ReadTimeout("the whole answer took too long")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: SSLContext, server_hostname: str | None = None,
                  timeout: float | None = None) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
