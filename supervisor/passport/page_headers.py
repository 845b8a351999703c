"""The headers that tell a server what in a page makes a call, as a browser sends them. Pure.

The names are the Fetch standard's; what public clients and a real Chromium send agrees with it (docs/protocol.md, "What
the page sends").
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlsplit

Maker = Literal["fetch", "iframe", "document"]
"""Who makes a call: a script of a page; a page that holds another one; a person that opens a page."""
_DOCUMENT: Final = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)


def page_headers(maker: Maker, method: str, url: str, page: str | None, *, hints: bool) -> dict[str, str]:
    """
    Return them for a call to `url`.

    Args:
        page: where it is made from; None: from nowhere, as an address that is typed.
        hints: whether the browser is one of those that send hints and priorities.
    """
    here, there = _origin(url), None if page is None else _origin(page)
    site = "none" if there is None else "same-origin" if there == here else "same-site"
    found = {"accept": "*/*", "sec-fetch-dest": "empty", "sec-fetch-mode": "cors", "sec-fetch-site": site}
    if maker != "fetch":
        found |= {"accept": _DOCUMENT, "sec-fetch-dest": maker, "sec-fetch-mode": "navigate"}
        found["upgrade-insecure-requests"] = "1"
        found |= {"sec-fetch-user": "?1"} if page is None else {}
    if hints:
        found["priority"] = "u=1, i" if maker == "fetch" else "u=0, i"
    if page is not None:
        # Of a page at another origin no more than that is told.
        found["referer"] = page if there == here else f"{there}/"
    if there is not None and maker == "fetch" and (method != "GET" or there != here):
        found["origin"] = there
    return found


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
