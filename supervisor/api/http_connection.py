"""One HTTP connection of the API: what is no HTTP is answered and logged without a byte of it. Shell.

aiohttp's own answer and its line in the log show what could not be read, and there a token or a cookie may stand.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from xyfleet.supervisor.api.middleware import HTTP_CODES
from xyfleet.supervisor.api.requests import error_answer

SPAN: Final = 60.0
"""Seconds for which one kind of fault is said once: who sends thousands must not push older lines out of the log."""

log = logging.getLogger(__name__)


class ConnectionFaults:
    """Says faults of connections, each kind once in `SPAN` seconds, by type and place and never in their own words."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def say(self, error: BaseException | None) -> None:
        """Write the fault's line, or count it for the next one of its kind."""
        now, kind = self._clock(), type(error).__name__
        if now - self._said.get(kind, -SPAN) < SPAN:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._said[kind] = now
        more = self._left_out.pop(kind, 0)
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            log.warning("a client sent what is no HTTP: %s (and %d before it, not logged)", kind, more)
        else:
            place = "".join(traceback.format_tb(error.__traceback__)) if error is not None else ""
            log.error("fault on a connection: %s (and %d before it, not logged)\n%s", kind, more, place)


class ApiConnection(web.RequestHandler):
    """
    A connection with answers of our own.

    Args:
        server: the application's.
        patience: Seconds that the connection may be idle.
        faults: Where faults are said.
    """

    __slots__ = ("_faults", "known")

    def __init__(self, server: web.Server, patience: float, faults: ConnectionFaults) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, keepalive_timeout=patience, access_log=None)  # type: ignore[arg-type]
        self._faults = faults
        self.known = False
        """Whether who is there has shown the token."""

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Say what went wrong, without the library's words."""
        self._faults.say(kw.get("exc_info"))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that is no HTTP, or one over which something broke outside of all handlers."""
        self._faults.say(exc)
        if request.writer.output_size > 0:
            raise ConnectionError("half an answer is sent; there is no room for another")
        response = (
            error_answer(500, "fault", "a fault in xyfleet; its log has more")
            if status >= 500
            else error_answer(status, "bad_request", "this is no HTTP that can be read")
        )
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; one that the library made before any handler was asked (`Expect`) repeats the request."""
        if isinstance(resp, web.HTTPException):
            resp = error_answer(resp.status, HTTP_CODES.get(resp.status, "http"), f"HTTP status {resp.status}")
        return await super().finish_response(request, resp, start_time)
