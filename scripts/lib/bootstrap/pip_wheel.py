"""pip's wheel: found in the index that pip's settings name, taken from there, checked by its hash. Shell (the network).

Since the hash is known, it does not matter which mirror the wheel comes from.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import ssl
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, unquote, urljoin, urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener, url2pathname

from scripts.lib.bootstrap.pip_settings import Settings

VERSION = "26.3"
SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
FILE = f"pip-{VERSION}-py3-none-any.whl"

# pip's own default, which pip cannot tell while it is not there. In two parts: this tree holds no index's address that
# a tool could find and use behind the back of the user's settings.
DEFAULT_INDEX = "https://pypi.org" + "/simple"

TIMEOUT = 20.0
"""Seconds that a silent server is waited for, unless pip's settings have another number."""

TRIES = 3
PAUSE = 1.0
"""Seconds between two tries."""

LARGEST = 20_000_000
"""Bytes of an answer that are read: ten times the wheel. What is longer fails the check of the hash."""


class FetchError(Exception):
    """The wheel could not be had: `kind` is one word, `detail` a host and a reason, never a whole address."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail


class Links(HTMLParser):
    """Collects the addresses that an index's page links to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.base = page
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a link, or the base of all links."""
        target = dict(attrs).get("href")
        if target and tag == "base":
            self.base = urljoin(self.base, target)
        elif target and tag == "a":
            self.found.append(urljoin(self.base, target))


def host(url: SplitResult) -> str:
    """Return `host` or `host:port`: what of an address may be shown."""
    return url.netloc.rpartition("@")[2] or "localhost"


def tls(url: SplitResult, settings: Settings) -> ssl.SSLContext:
    """Return how a server is verified: as pip would."""
    if {url.hostname, host(url)} & set(settings.get("trusted-host", "").split()):
        return ssl._create_unverified_context()  # as the user's settings say
    bundles = (settings.get("cert"), os.environ.get("REQUESTS_CA_BUNDLE"), os.environ.get("CURL_CA_BUNDLE"))
    bundle = next((Path(path) for path in bundles if path), None)
    try:
        if bundle is not None and bundle.is_dir():
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise FetchError("certificate", f"{bundle}: {error.strerror}") from error


def request(url: SplitResult, login: str) -> Request:
    """Return a request without `user:password@` in its address; `login` is sent to this address only."""
    made = Request(url._replace(netloc=host(url) if url.netloc else "").geturl())
    made.add_header("Accept", "text/html, application/octet-stream;q=0.9, */*;q=0.1")
    made.add_header("User-Agent", "xyfleet-bootstrap")
    if login:
        encoded = base64.b64encode(unquote(login).encode()).decode()
        made.add_unredirected_header("Authorization", f"Basic {encoded}")
    return made


def read_once(address: str, login: str, settings: Settings) -> tuple[str, bytes]:
    """Return the final address and the body; raise OSError, http.client.HTTPException or ValueError."""
    url = urlsplit(address)
    proxy = settings.get("proxy")
    proxies = ProxyHandler({"http": proxy, "https": proxy} if proxy else None)
    opener = build_opener(proxies, HTTPSHandler(context=tls(url, settings)))
    seconds = float(settings.get("timeout") or settings.get("default-timeout") or TIMEOUT)
    with opener.open(request(url, login), timeout=seconds) as answer:
        return answer.geturl(), answer.read(LARGEST)


def failure(name: str, error: OSError | http.client.HTTPException) -> FetchError:
    """Return what a failed try means; `name` is the host's."""
    reason = error.reason if isinstance(error, URLError) and not isinstance(error, HTTPError) else error
    if isinstance(reason, HTTPError):
        kind = "missing" if reason.code == HTTPStatus.NOT_FOUND else "refused"
        return FetchError(kind, f"{name}: {reason.code} {reason.reason}")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FetchError("certificate", f"{name}: {reason.verify_message}")
    if isinstance(reason, FileNotFoundError):
        return FetchError("missing", f"{name}: {reason.strerror}")
    return FetchError("network", f"{name}: {reason}")


def read(address: str, login: str, settings: Settings) -> tuple[str, bytes]:
    """Return the final address and the body. A bad network gets three tries; raise FetchError."""
    tries = TRIES
    while True:
        tries -= 1
        try:
            return read_once(address, login, settings)
        except (OSError, http.client.HTTPException) as error:
            failed = failure(host(urlsplit(address)), error)
            if failed.kind != "network" or not tries:
                raise failed from error
        time.sleep(PAUSE)


def wheel_of_index(index: str, settings: Settings) -> bytes:
    """Return the wheel from one index; raise FetchError, or ValueError when the index is no address."""
    root = urlsplit(index)
    if root.scheme not in {"http", "https", "file"}:
        raise FetchError("settings", f"index-url: {root.scheme or '?'}://")
    login = root.netloc.rpartition("@")[0]
    page = index.rstrip("/") + "/pip/" + ("index.html" if root.scheme == "file" else "")
    address, body = read(page, login, settings)
    links = Links(address)
    links.feed(body.decode("utf-8", "replace"))
    for link in links.found:
        url = urlsplit(link)
        if unquote(url.path).endswith(f"/{FILE}"):
            own = (root.scheme, host(root)) == (url.scheme, host(url))
            return read(link, login if own else "", settings)[1]
    raise FetchError("missing", host(root))


def folders(settings: Settings) -> Iterator[Path]:
    """Yield the folders on this machine in which pip would look too (`find-links`) and that have the wheel."""
    for place in settings.get("find-links", "").split():
        url = urlsplit(place)
        folder = Path(url2pathname(url.path)).expanduser()
        if url.scheme in {"", "file"} and (folder / FILE).is_file():
            yield folder


def indexes(settings: Settings) -> list[str]:
    """Return the indexes that pip would ask, the first first."""
    if settings.get("no-index", "no").lower() in {"1", "true", "yes", "on", "y", "t"}:
        return []
    return [settings.get("index-url", DEFAULT_INDEX), *settings.get("extra-index-url", "").split()]


def wheel_of(place: Path | str, settings: Settings) -> bytes:
    """Return the wheel from a folder or an index, its hash checked; raise FetchError."""
    try:
        wheel = (place / FILE).read_bytes() if isinstance(place, Path) else wheel_of_index(place, settings)
    except ValueError as error:
        # Not with the error's own text: it may hold the address and so a password.
        raise FetchError("settings", f"index-url, timeout ({type(error).__name__})") from None
    if hashlib.sha256(wheel).hexdigest() != SHA256:
        raise FetchError("hash", str(place) if isinstance(place, Path) else host(urlsplit(place)))
    return wheel


def fetch(settings: Settings) -> bytes:
    """Return the pinned wheel from the first place that has it; raise the first place's FetchError when none has."""
    failures = []
    places: list[Path | str] = [*folders(settings), *indexes(settings)]
    for place in places:
        try:
            return wheel_of(place, settings)
        except FetchError as error:
            failures.append(error)
    raise failures[0] if failures else FetchError("settings", "no-index")
