"""The Unix socket at which workers ask for POSTs. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common import paths
from xyfleet.supervisor.webhooks.client import CallFailed, NoTurn, WebhookClient
from xyfleet.supervisor.webhooks.protocol import (
    MAX_LINE,
    BadLine,
    Failed,
    NotCalled,
    Replied,
    Request,
    Table,
    decode_request,
    encode_answer,
)
from xyfleet.worker.reasons import Reason

MOST_OPEN: Final = 1000
"""
Requests of one worker that are answered at one time, the most that `handler_concurrency` may be. Further ones are not
read yet, and a request's time runs from its reading on.
"""
BACKLOG: Final = 2048
"""All workers of a large fleet may knock at once."""

log = logging.getLogger(__name__)


class WebhookServer:
    """Takes workers' requests and answers each."""

    def __init__(self, path: Path, fleet: str | None, poster: WebhookClient) -> None:
        self.table: Table = {}
        self._fleet = fleet
        self._path = path
        self._poster = poster
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._workers: dict[asyncio.StreamWriter, set[asyncio.Task[None]]] = {}
        """Who is connected, with the calls that are under way for him."""

    async def ensure(self) -> None:
        """Listen, if the socket file is not there or is another's. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                return
        old, listener = self._server, paths.private_socket(self._path)
        self._inode = self._path.stat().st_ino
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_LINE, backlog=BACKLOG)
        if old is not None:
            old.close()

    def close(self) -> None:
        """Listen no more, and hang up on the workers: that says that nobody knows how far their calls came."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for writer, calls in self._workers.items():
            for call in calls:
                call.cancel()
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one worker until it goes; what it still waits for then is cut short, for nobody would hear of it."""
        calls = self._workers[writer] = set()
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                call = asyncio.create_task(self._answer(decode_request(line), writer))
                calls.add(call)
                call.add_done_callback(calls.discard)
                if len(calls) >= MOST_OPEN:
                    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        except (BadLine, ValueError) as error:  # ValueError: longer than MAX_LINE
            log.error("a worker's connection is closed: %s", error)
        except ConnectionError:
            pass  # It died; its successor asks anew.
        finally:
            for call in calls:
                call.cancel()
            writer.close()
            del self._workers[writer]

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._call(request)
        except Exception:
            log.exception("fault while calling the webhook of %s", request.account)
            answer = Failed(request.number, "a fault in xyfleet; supervisor.log has more")
        with contextlib.suppress(ConnectionError):
            writer.write(encode_answer(answer))
            await writer.drain()

    async def _call(self, request: Request) -> Replied | Failed | NotCalled:
        if self._fleet is not None and request.fleet != self._fleet:
            return NotCalled(request.number, Reason("webhook_other_fleet", {"name": self._fleet}))
        hook = self.table.get(request.account)
        if hook is None:
            return NotCalled(request.number, Reason("webhook_unset", {"name": request.account}))
        try:
            answer = await self._poster.call(hook, bytes(request.message), request.timeout)
        except CallFailed as error:
            return Failed(request.number, error.reason, error.down)
        except NoTurn as error:
            return NotCalled(request.number, error.reason)
        return Replied(request.number, *(((),) if answer is None else (answer.replies, answer.hand_over)))
