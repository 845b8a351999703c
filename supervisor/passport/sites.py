"""Where the login page, the web page and the signed calls of a service are. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

DOMAIN: Final = "goofish.com"
"""The service's own; cookies go to no other."""


class Sites(NamedTuple):
    """Origins, without a slash at the end."""

    passport: str
    web: str
    h5: str
    upload: str

    def ours(self, url: str) -> bool:
        """Say whether an address is one of the service, to which its cookies may go; what is no address is none."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin in self:
            return True
        host = parts.hostname or ""
        return self == REAL and parts.scheme == "https" and (host == DOMAIN or host.endswith(f".{DOMAIN}"))

    def onward(self, url: str, location: str) -> str | None:
        """Return where a page sends its visitor, None for nowhere, or out of the service."""
        try:
            found = urljoin(url, location)
        except ValueError:
            return None
        return found if location and self.ours(found) else None


REAL: Final = Sites(
    "https://passport.goofish.com",
    "https://www.goofish.com",
    "https://h5api.m.goofish.com",
    "https://stream-upload.goofish.com",
)


def sites_of(token_url: str) -> Sites:
    """Return the sites that belong to a token call's address: the real ones, or all at one origin (the simulator)."""
    parts = urlsplit(token_url)
    if (parts.hostname or "").endswith(f".{DOMAIN}"):
        return REAL
    return Sites(*[f"{parts.scheme}://{parts.netloc}"] * 4)
