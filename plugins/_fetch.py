"""Fetch pages of the web: politely, bounded, and never from this computer or a private network unless told so."""

import ipaddress
import socket
import threading
import time
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit
from urllib.robotparser import RobotFileParser

if TYPE_CHECKING:
    import httpcore

AGENT = "Treadle/1.0 (a person's own crawler; it reads robots.txt)"
MOST_BYTES = 3_000_000  # of a page that are read
MOST_ROBOTS = 500_000    # of a robots.txt
TIMEOUT_S = 20.0         # of one read
WHOLE_S = 60.0           # of one answer, however slowly it comes
REDIRECTS = 10
MOST_DELAY_S = 30.0     # what a robots.txt may ask for between two requests
FORBIDDEN = "robots.txt does not allow it"

Read = Literal["html", "all", "nothing"]  # of which answers the body is read


class Private(ValueError):
    """An address of this computer or a private network."""


@dataclass(frozen=True)
class Rules:
    """How pages are fetched. `per_second`: requests to one host; `private`: also from this computer and its network."""

    per_second: float = 2.0
    private: bool = False
    robots: bool = True


@dataclass
class Page:
    """What came. `chain`: the redirects on the way, each with its status; `error`: why nothing came. `seconds`: until
    the answers had come, without the time in which the host was left alone."""

    url: str
    final: str = ""
    status: int = 0
    chain: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False
    seconds: float = 0.0
    error: str = ""

    @property
    def redirects(self) -> bool:
        """Whether it leads elsewhere."""
        return 300 <= self.status < 400 and bool(self.headers.get("location"))

    @property
    def type(self) -> str:
        """What its server calls it: "text/html"; HTML where it does not say."""
        return self.headers.get("content-type", "text/html").partition(";")[0].strip().lower()

    @property
    def html(self) -> bool:
        """Whether it is a page, not a picture or an archive."""
        return "html" in self.type


def fetch(url: str, rules: Rules, *, read: Read = "html", most: int = MOST_BYTES) -> Page:
    """One page, its redirects followed. What goes wrong stands in `error`; nothing is raised.

    It waits until its host may be asked again, at most 60 s for each answer and 20 s for each read, and reads `most`
    bytes.
    """
    import httpcore  # what costs something to import comes when a page is fetched, not at the start of the server

    page = Page(url, final=url)
    try:
        for _ in range(REDIRECTS + 1):
            if rules.robots and not allowed(page.final, rules):
                page.error = FORBIDDEN
                break
            _answer(page, rules, read=read, most=most)
            if not page.redirects:
                break
            following = cleaned(urljoin(page.final, page.headers["location"]))
            if following in (hop["url"] for hop in page.chain) or following == page.final:
                page.error = "It redirects in a circle"
                break
            page.chain.append({"url": page.final, "status": page.status})
            page.final = following
        else:
            page.error = f"It redirects more than {REDIRECTS} times"
    except Private as refused:
        page.error = str(refused)
    except httpcore.TimeoutException as late:
        page.error = (f"The answer did not end within {WHOLE_S:.0f} s" if "whole" in str(late) else
                      f"No answer within {TIMEOUT_S:.0f} s")
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as failed:
        page.error = sentence(failed)
    page.seconds = round(page.seconds, 3)
    return page


def _answer(page: Page, rules: Rules, *, read: Read, most: int) -> None:
    """Ask for `page.final` and fill in what comes. The name is resolved once, and the connection goes where it led:
    a name that leads elsewhere a moment later changes nothing."""
    from ._bounded import pool, within

    parts = _web(page.final)
    host = parts.hostname or ""
    address = resolve(host, parts.port or (443 if parts.scheme == "https" else 80), private=rules.private)
    _wait(parts.netloc, rules)
    began = time.monotonic()
    place = f"[{address}]" if ":" in address else address
    target = urlunsplit((parts.scheme, f"{place}:{parts.port}" if parts.port else place, parts.path or "/",
                         parts.query, ""))
    headers = [("Host", parts.netloc.rpartition("@")[2]), ("User-Agent", AGENT), ("Accept", "text/html,*/*;q=0.5"),
               ("Accept-Encoding", "gzip")]
    options = {"sni_hostname": host, "timeout": dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)}
    try:
        with within(WHOLE_S), pool().stream("GET", target, headers=headers, extensions=options) as answer:
            page.status, page.headers = answer.status, {}
            for name, value in answer.headers:
                key, text = name.decode("latin-1").lower(), value.decode("latin-1")
                page.headers[key] = f"{page.headers[key]}, {text}" if key in page.headers else text
            page.body, page.cut = b"", False
            if not page.redirects and (read == "all" or (read == "html" and page.html)):
                page.body, page.cut = _body(answer, page.headers.get("content-encoding", ""), most)
    finally:
        page.seconds += time.monotonic() - began


def _body(answer: "httpcore.Response", coding: str, most: int) -> tuple[bytes, bool]:
    """What came, unpacked, and whether there is more. A body that becomes gigabytes is unpacked to `most` bytes and no
    further."""
    coding = coding.strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise ValueError(f"It is packed as {coding[:40]}, which is not read")
    unpack = zlib.decompressobj(47) if coding not in ("", "identity") else None  # of gzip and of zlib
    got, came = bytearray(), 0
    try:
        for chunk in answer.iter_stream():
            came += len(chunk)
            if unpack is None:
                got += chunk
            elif not unpack.eof:
                got += unpack.decompress(chunk, most + 1 - len(got))
            if max(len(got), came) > most:
                return bytes(got[:most]), True
    except zlib.error as error:
        raise ValueError("What came cannot be unpacked") from error
    return bytes(got), False


def _web(url: str) -> SplitResult:
    """The parts of a web address. Raises `ValueError` for any other."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url[:200]} is no web address")
    return parts


def resolve(host: str, port: int, *, private: bool) -> str:
    """The address of a host. Raises `Private` for one that is not of the public web, unless `private`."""
    try:
        found = [item[4][0] for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (socket.gaierror, UnicodeError) as error:
        raise ValueError(f"There is no host {host[:100]}") from error
    addresses = [str(address) for address in found]
    if not private:
        for address in addresses:
            if not is_public(address):
                raise Private(f"{host[:100]} is on this computer or a private network")
    return addresses[0]


def reachable(url: str, *, private: bool) -> None:
    """Refuse an address that cannot be fetched, before anything is asked of it. Raises `ValueError`."""
    host = urlsplit(url).hostname or ""
    try:
        resolve(host, 80, private=private)
    except Private as refused:
        raise ValueError(f"{refused}. Tick Private networks to fetch from it.") from None
    except ValueError as unknown:
        raise ValueError(f"{unknown}. Check how the address is written.") from None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public web; also what hides in an IPv6 address is looked at."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip.is_site_local:  # fec0::/10 was a private network, and some still use it
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


_next: dict[str, float] = {}
_turn = threading.Lock()


def _wait(netloc: str, rules: Rules) -> None:
    """Wait until this host may be asked again. The turns are given in the order of the calls."""
    pause = 1 / rules.per_second if rules.per_second > 0 else 0.0
    if rules.robots:
        pause = max(pause, _delays.get(netloc, 0.0))
    with _turn:
        now = time.monotonic()
        at = max(now, _next.get(netloc, 0.0))
        _next[netloc] = at + pause
    if at > now:
        time.sleep(at - now)


_delays: dict[str, float] = {}  # what robots.txt asks for, by host; seconds


def allowed(url: str, rules: Rules) -> bool:
    """Whether the robots.txt of its host lets us fetch this address. A robots.txt that fails (5xx) forbids all."""
    parts = _web(url)
    return _robots(parts.scheme, parts.netloc, rules).can_fetch(AGENT, url)


@lru_cache(maxsize=128)
def _robots(scheme: str, netloc: str, rules: Rules) -> RobotFileParser:
    parser = RobotFileParser()
    page = Page("", final=f"{scheme}://{netloc}/robots.txt")
    for _ in range(5):
        _answer(page, rules, read="all", most=MOST_ROBOTS)
        if not page.redirects:
            break
        page.final = urljoin(page.final, page.headers["location"])
    if page.status >= 500 or page.status == 429:
        parser.disallow_all = True  # type: ignore[attr-defined]
    elif page.status >= 300:
        parser.allow_all = True  # type: ignore[attr-defined]
    else:
        text = page.body.decode("utf-8", "replace").removeprefix("\ufeff")
        parser.parse(map(_sound, text.splitlines()))
        delay = parser.crawl_delay(AGENT)
        if delay is not None:
            _delays[netloc] = float(min(int(delay), MOST_DELAY_S))  # it may have 400 digits
    return parser


def _sound(line: str) -> str:
    """A line of a robots.txt without a number that Python's parser, and with it the whole file, fails on."""
    name, _, value = line.partition(":")
    if name.strip().lower() not in ("crawl-delay", "request-rate") or (value.isascii() and len(value) < 1_000):
        return line
    return f"{name}:-"


def robots_sitemaps(url: str, rules: Rules) -> list[str]:
    """The sitemaps that the robots.txt of a host names."""
    import httpcore

    parts = urlsplit(url)
    try:
        return list(_robots(parts.scheme, parts.netloc, rules).site_maps() or [])  # the caller may empty it
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, ValueError):
        return []


def cleaned(url: str) -> str:
    """An address as it is asked for: no fragment, small letters in the host, no port that is the usual one."""
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").lower()
    try:
        port = parts.port
    except ValueError:
        port = None
    if ":" in host:
        host = f"[{host}]"
    if port and port != {"http": 80, "https": 443}.get(parts.scheme):
        host = f"{host}:{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~")
    return urlunsplit((parts.scheme.lower(), host, path, quote(parts.query, safe="/?%:@!$&'()*+,;=-._~[]|"), ""))


def sentence(error: Exception) -> str:
    """What a person is told of a connection that failed."""
    import httpcore

    text = str(error) or type(error).__name__
    if "CERTIFICATE" in text.upper() or "SSL" in text.upper():
        return f"The certificate or the encryption is not right: {text[:150]}"
    if isinstance(error, httpcore.ConnectError):
        return "Nothing answers there"
    return text[:200]
