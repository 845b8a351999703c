"""Rules for addresses: gateway, token call, webhook, proxy, HTTP listener. Pure. An address is never repeated."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from xyfleet.supervisor.common.i18n import _

PROXY_SCHEMES: Final = ("http", "socks5", "socks5h", "socks4")
"""What the libraries of both users, the socket (websockets) and the token call (aiohttp-socks), can speak."""
_BLANK: Final = re.compile(r"[\s\x00-\x1f]")
_LISTEN: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]/@]+)):(?P<port>[0-9]{1,5})")


class Wrong(NamedTuple):
    """Why an address can't be used, and what would be right."""

    message: str
    remedy: str


def is_loopback(host: str) -> bool:
    """Whether a host is this machine for sure, without asking a name server."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_server(url: str, secure: str, plain: str) -> Wrong | None:
    """
    Check the address of a server that gets the token or the cookie.

    Args:
        secure: the scheme that may go anywhere, such as `wss`.
        plain: the scheme that may go to this machine only, as what it carries can be read on the way.
    """
    example = {"scheme": secure}
    parts = _split(url)
    if parts is None or parts.scheme not in (secure, plain):
        return Wrong(_("is not a %(scheme)s:// address") % example, _("write %(scheme)s://host/path") % example)
    if parts.username is not None or parts.password is not None or parts.fragment:
        return Wrong(_("holds a user, a password or a #"), _("write %(scheme)s://host/path") % example)
    if parts.scheme == plain and not is_loopback(parts.hostname or ""):
        return Wrong(_("would send secrets in clear text"), _("write %(scheme)s://host/path") % example)
    return None


def check_webhook(url: str) -> Wrong | None:
    """Check the address that messages are posted to; it may go to any machine, with or without encryption."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https"):
        return Wrong(_("is not an http:// or https:// address"), _("write https://host/path or http://127.0.0.1:port/"))
    if parts.fragment:
        return Wrong(_("holds a # part, which no server gets to see"), _("remove the # and what follows it"))
    return None


def is_readable_on_the_way(url: str) -> bool:
    """Whether what is sent to this address leaves the machine in clear text."""
    parts = _split(url)
    return parts is not None and parts.scheme == "http" and not is_loopback(parts.hostname or "")


def check_proxy(url: str) -> Wrong | None:
    """Check a proxy's address: scheme, host and port are all required."""
    example = _("write socks5://user:password@host:port or http://host:port, special characters percent-encoded")
    parts = _split(url)
    if parts is None or "://" not in url:
        return Wrong(_("is not a proxy's address"), example)
    if parts.scheme not in PROXY_SCHEMES:
        return Wrong(_("has a scheme that is not supported"), _("use http, socks5, socks5h or socks4"))
    if not parts.port:
        return Wrong(_("lacks the port"), example)
    if (parts.username is None) != (parts.password is None):
        return Wrong(_("has a user without a password"), example)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return Wrong(_("goes on after the port"), example)
    return None


def parse_listen(text: str) -> tuple[str, int] | Wrong:
    """Return host and port of `host:port` or `[::1]:port`; port 0 = any free one."""
    match = _LISTEN.fullmatch(text)
    if not match or int(match["port"]) > 65535:
        return Wrong(_("is not host:port"), _("write 127.0.0.1:9180"))
    return match["six"] or match["host"], int(match["port"])


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL; None when they make no sense."""
    try:
        parts = urlsplit(url)
        sound = parts.port != 0 and parts.hostname is not None and not _BLANK.search(url)
    except ValueError:
        return None
    return parts if sound else None
