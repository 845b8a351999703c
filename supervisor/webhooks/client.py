"""Makes the POSTs: signed, a few at a time, each answered once. Shell."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import ssl
import time
import weakref
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from xyfleet.supervisor.settings import Webhook
from xyfleet.supervisor.tokens.egress import FAILURES, describe
from xyfleet.supervisor.webhooks.response import MAX_ANSWER, NO_CONTENT, BadAnswer, answer_in, check_status
from xyfleet.worker.handlers.base import CheckedAnswer
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.text import cut
from xyfleet.worker.version import VERSION

PER_URL: Final = 16
"""POSTs to one address at one time."""
OVERALL: Final = 256
KEEP_ALIVE: Final = 1.0
"""
Seconds that a connection is kept for the next POST: less than any usual server keeps it (2 s or more), else a POST
would now and then meet one that the server has just closed, and count as failed.
"""


class CallFailed(Exception):
    """
    The webhook may have been called, and gave no good answer. The reason has no secret and nothing of the body.

    Args:
        down: Whether the service was not there, or said that it takes no calls now.
    """

    def __init__(self, reason: str, *, down: bool = False) -> None:
        self.reason = reason
        self.down = down
        super().__init__(reason)


class NoTurn(Exception):
    """The time was over before anything was posted."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


def signature(secret: Secret, timestamp: str, body: bytes) -> str:
    """Return the hex HMAC-SHA256 of timestamp, ".", body."""
    return hmac.new(secret.reveal().encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def place(url: Secret) -> str:
    """Return what may be shown of an address: scheme, host, port."""
    parts = urlsplit(url.reveal())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class WebhookClient:
    """Use as a context manager, inside the event loop."""

    def __init__(self, tls: ssl.SSLContext, *, per_url: int = PER_URL, overall: int = OVERALL) -> None:
        connector = aiohttp.TCPConnector(ssl=tls, limit=0, keepalive_timeout=KEEP_ALIVE)
        # Many accounts share the session: no cookies. What is not asked for in a packed form is not unpacked either:
        # 64 KiB can hold gigabytes. Time is the caller's: `timeout` of each call.
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        )
        self._per_url = per_url
        self._overall = asyncio.Semaphore(overall)
        # An address's gate lives while somebody is in it or waits at it.
        self._gates: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    async def close(self) -> None:
        """Close what connections there are."""
        await self._session.close()

    async def call(self, hook: Webhook, body: bytes, timeout: float) -> CheckedAnswer | None:
        """Post the body within `timeout` seconds; return the answer, if any. Raises `CallFailed`, `NoTurn`."""
        where = place(hook.url)
        gate = self._gates.setdefault(hook.url.reveal(), asyncio.Semaphore(self._per_url))
        began = False
        try:
            async with asyncio.timeout(timeout), gate, self._overall:
                began = True
                return await self._post(hook, body)
        except BadAnswer as error:
            raise CallFailed(f"{where} {error}", down=error.down) from None
        except TimeoutError:
            if not began:
                raise NoTurn(Reason("webhook_no_turn", {"where": where, "seconds": timeout})) from None
            raise CallFailed(f"{where} gave no answer within {timeout:g} s") from None
        except FAILURES as error:
            down = isinstance(error, aiohttp.ClientConnectorError)
            raise CallFailed(cut(f"{where}: {_why(error)}"), down=down) from None

    async def _post(self, hook: Webhook, body: bytes) -> CheckedAnswer | None:
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"xyfleet/{VERSION}",
            "X-Xyfleet-Timestamp": timestamp,
        }
        if hook.secret is not None:
            headers["X-Xyfleet-Signature"] = signature(hook.secret, timestamp, body)
        async with self._session.post(hook.url.reveal(), data=body, headers=headers, allow_redirects=False) as response:
            check_status(response.status)
            if response.status == NO_CONTENT:
                return None
            return answer_in(await _read(response), response.headers.get("Content-Type", ""))


def _why(error: BaseException) -> str:
    match error:
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ClientConnectorDNSError() | aiohttp.ClientSSLError():
            return str(describe(error))
        case aiohttp.ClientOSError(errno=int(number)):
            return os.strerror(number).lower()  # the library's own words name each address that it tried
    return str(describe(error))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, or a little more of it than may be; what is left unread closes the connection."""
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER:
            break
    return body
