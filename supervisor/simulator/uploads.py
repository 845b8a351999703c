"""Takes images for chats, as the service's upload call does, and remembers them. Shell (HTTP)."""

from __future__ import annotations

import hashlib
from typing import Final

from aiohttp import web

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.passport.image_files import BadImage, of_bytes
from xyfleet.supervisor.passport.image_upload import PATH
from xyfleet.worker.secret import Secret

_MOST: Final = 11 * 2**20


class Uploads:
    """What was uploaded, by whom."""

    def __init__(self) -> None:
        self._taken: list[dict[str, object]] = []

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """Return the call itself, and where a test asks what was uploaded."""
        return [web.post(PATH, self._take), web.get(f"{prefix}/uploads", self._show)]

    async def _take(self, request: web.Request) -> web.Response:
        user = cookies.parse(Secret(request.headers.get("Cookie", "")).reveal()).get(cookies.IDENTITY)
        if user is None:
            return web.Response(text="<html>mini_login</html>", content_type="text/html")
        reader = await request.multipart()
        part = await reader.next()
        data = b""
        while part is not None and hasattr(part, "read_chunk") and len(data) <= _MOST:
            chunk = await part.read_chunk()
            if not chunk:
                break
            data += chunk
        try:
            image = of_bytes(data)
        except BadImage as error:
            return web.json_response({"success": False, "message": str(error)})
        digest = hashlib.blake2b(data, digest_size=8).hexdigest()
        url = f"https://img.alicdn.com/imgextra/i1/0/{digest}-xy_chat.{image.kind}"
        self._taken.append({"unb": user, "url": url, "bytes": len(data)})
        found = {"url": url, "pix": f"{image.width}x{image.height}", "size": str(len(data))}
        return web.json_response({"object": found, "success": True})

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response({"uploads": self._taken})
