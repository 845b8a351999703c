"""Uploads an image for a chat, as the page does it: one call, with the account's cookies. Shell.

Source and how sure it is: docs/protocol.md, Images. Untested against the live service.
"""

from __future__ import annotations

import io
import re
from typing import Any, Final

import aiohttp
import msgspec

from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.image_files import Image
from xyfleet.worker.protocol.im_calls import Picture
from xyfleet.worker.text import cut

PATH: Final = "/api/upload.api"
_QUERY: Final = {"floderId": "0", "appkey": "xy_chat", "_input_charset": "utf-8"}
"""`floderId` is spelled so."""
_SIZE: Final = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_LONGEST: Final = 1000
"""Characters of an address."""


class NotUploaded(Exception):
    """
    The service did not take it; `str()` is why, for people.

    Args:
        dead: Whether its answer shows that the login is dead.
    """

    def __init__(self, reason: str, *, dead: bool = False) -> None:
        super().__init__(reason)
        self.dead = dead


async def upload(calls: BrowserCalls, image: Image) -> Picture:
    """Upload; raises `NotUploaded`, and `NoAnswer` and `CheckWanted` as `BrowserCalls.ask`."""
    form = aiohttp.FormData()
    # As a stream: of many bytes at once aiohttp warns, and puts all of them into its errors.
    form.add_field("file", io.BytesIO(image.data), filename=f"image.{image.kind}", content_type=f"image/{image.kind}")
    web = calls.sites.web
    answer = await calls.ask(
        "POST",
        calls.sites.upload + PATH,
        query=_QUERY,
        form=form,
        page=f"{web}/im",
    )
    return _picture(answer.status, answer.body, image)


def _picture(status: int, body: bytes, image: Image) -> Picture:
    try:
        said: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        dead = b"mini_login" in body
        words = "the login page came instead of an answer" if dead else f"HTTP {status} and no JSON"
        raise NotUploaded(f"the image was not uploaded: {words}", dead=dead) from None
    found = said.get("object") if isinstance(said, dict) else None
    url = found.get("url") if isinstance(found, dict) else None
    if not isinstance(url, str) or not url.startswith(("https://", "http://")) or len(url) > _LONGEST:
        words = said.get("message") or said.get("msg") or "" if isinstance(said, dict) else ""
        raise NotUploaded(f"the image was not uploaded: HTTP {status} {cut(str(words))}".rstrip())
    assert isinstance(found, dict), "it had an address"
    size = _SIZE.fullmatch(str(found.get("pix")))
    width, height = (int(size[1]), int(size[2])) if size else (image.width, image.height)
    return Picture(url, width, height)
