"""What happens around every request of the API: its limits, and how an error becomes an answer. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from xyfleet.supervisor.api.requests import SILENCE, BadRequest, Handler, error_answer, language
from xyfleet.supervisor.common.errors import Refused

log = logging.getLogger(__name__)

HTTP_CODES: Final = {
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_entity_too_large",
    503: "service_unavailable",
}
"""The error codes of refusals that HTTP itself knows. Not the reason phrases: those differ from Python to Python."""


@web.middleware
async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal and fault into JSON, and cut off a client that does not take its answer."""
    try:
        response = await handler(request)
    except Refused as refusal:
        message = refusal.text.say(language(request))
        response = error_answer(refusal.status, refusal.code, message, **refusal.facts)
    except BadRequest as error:
        response = error_answer(400, "bad_request", str(error))
    except web.HTTPException as error:
        response = error_answer(error.status, HTTP_CODES.get(error.status, "http"), f"{request.method} {request.path}")
        if "WWW-Authenticate" in error.headers:
            response.headers["WWW-Authenticate"] = error.headers["WWW-Authenticate"]
            response.force_close()  # places are few
    except ConnectionError:
        return web.Response()  # nobody is there to get it
    except Exception:
        log.exception("fault while answering %s %s", request.method, request.path)
        if request.writer.output_size and request.transport is not None:
            request.transport.abort()  # half an answer is out: another one would be read as its rest
        response = error_answer(500, "fault", "a fault in xyfleet; its log has more")
    with contextlib.suppress(ConnectionError):
        async with limited(request):
            await response.prepare(request)
            await response.write_eof()
    return response


@contextlib.asynccontextmanager
async def limited(request: web.Request) -> AsyncIterator[None]:
    """Let the kernel take all that is written inside, or cut off a client that reads nothing of it for a while."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    transport.set_write_buffer_limits(0)  # so that `drain` waits for the last byte
    watch: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(SILENCE) as patience:
            watch = asyncio.create_task(_watch(transport, patience))
            yield
            await request.writer.drain()
    except TimeoutError:
        transport.abort()
        raise ConnectionResetError("the client does not read") from None
    finally:
        if watch is not None:
            watch.cancel()


async def _watch(transport: asyncio.WriteTransport, patience: asyncio.Timeout) -> None:
    """Be patient with who reads, slow as the line may be: over a small server's, 16 MiB take a minute."""
    left = transport.get_write_buffer_size()
    while True:
        await asyncio.sleep(SILENCE / 4)
        before, left = left, transport.get_write_buffer_size()
        if left < before and not patience.expired():
            patience.reschedule(asyncio.get_running_loop().time() + SILENCE)
