"""What the supervisor asks for about messages: each request has its answer, and is no other's trouble. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from xyfleet.worker.ipc.messages import Redo, Redone, Send, Sent, TalkPiece, TalkRequest, Up
from xyfleet.worker.ipc.talks import TalkAnswer, changes, pieces
from xyfleet.worker.messaging.sender import OutboxSender
from xyfleet.worker.messaging.talk_line import Errand
from xyfleet.worker.messaging.talks import TalkDesk
from xyfleet.worker.storage.inbox import AsyncStore, Closed
from xyfleet.worker.storage.operations import Redo as RedoRows
from xyfleet.worker.storage.results import OUTBOX_FULL, OutgoingMessage
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.text import cut

MOST_REQUESTS: Final = 1000
"""Requests that wait at one time, for the disk or for what becomes of a text."""
_NOBODY: Final = "nobody is known in this conversation: no message of it is in the inbox"


class Requests:
    """
    Answers requests. `run()` it once.

    Args:
        send: Writes to the supervisor.
        used: Called when a request is about to use the inbox.
        redone: Called when dead letters may wait for the handler again.
    """

    def __init__(
        self,
        inbox: AsyncStore,
        outbox: OutboxSender,
        talks: TalkDesk,
        log: AccountLog,
        send: Callable[[Up], None],
        used: Callable[[], None],
        redone: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._talks = talks
        self._log = log
        self._send = send
        self._used = used
        self._redone = redone
        self._asked: asyncio.Queue[Send | Redo | TalkRequest] = asyncio.Queue()
        self._open = 0

    def ask(self, request: Send | Redo | TalkRequest) -> None:
        """Take a request."""
        self._asked.put_nowait(request)

    async def run(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                request = await self._asked.get()
                if isinstance(request, TalkRequest):
                    tasks.create_task(self._talk(request))
                    continue
                if self._open >= MOST_REQUESTS or self._inbox.full():
                    self._refuse(request, f"{self._open} requests wait already")
                    continue
                self._open += 1
                tasks.create_task(self._answer(request))

    async def _answer(self, request: Send | Redo) -> None:
        """Answer a request, whatever goes wrong."""
        try:
            await (self._post(request) if isinstance(request, Send) else self._redo(request))
        except Closed as error:
            self._refuse(request, str(error))
        except LookupError as error:  # the inbox was removed or ruined meanwhile
            self._refuse(request, str(error), "unknown")
        except Exception as error:  # noqa: BLE001 (a fault of ours in one request must not end the others)
            self._log.bug(error, request=request.request)
            self._refuse(request, f"a fault in xyfleet: {type(error).__name__}", "unknown")
        finally:
            self._open -= 1

    def _refuse(self, request: Send | Redo, reason: str, state: str = "refused") -> None:
        """Answer a request that comes to nothing, or to nothing that anybody knows."""
        if isinstance(request, Redo):
            self._send(Redone(request=request.request, count=0))
        else:
            self._send(Sent(request=request.request, state=state, reason=cut(reason)))

    async def _post(self, request: Send) -> None:
        """Queue a text and tell what becomes of it."""
        self._used()
        queued = await self._outbox.queue(request.conversation, request.text, request.receiver, image=request.image)
        if queued.letter is None:
            self._refuse(request, _NOBODY if queued.refused == "nobody" else OUTBOX_FULL)
            return
        self._tell(request.request, queued.letter)
        self._tell(request.request, await self._outbox.settled(queued.letter.number))

    def _tell(self, request: int, letter: OutgoingMessage) -> None:
        self._send(
            Sent(
                request=request,
                state=letter.state,
                number=letter.number,
                message_id=letter.message_id,
                reason=None if letter.reason is None else cut(letter.reason),
            )
        )

    async def _redo(self, request: Redo) -> None:
        count = 0
        if self._inbox.exists():
            count = await self._inbox.do(RedoRows(request.ids))
            self._redone()
        self._send(Redone(request=request.request, count=count))

    async def _talk(self, request: TalkRequest) -> None:
        """Ask the platform, and tell its answer; at the worker's end, what is known by then."""
        errand = Errand()
        try:
            found = pieces(await self._talks.ask(request.question, errand))
        except asyncio.CancelledError:
            self._tell_pieces(request, pieces(errand.broken_off("stopped")))
            raise
        except Exception as error:  # noqa: BLE001 (a fault of ours in one request must not end the others)
            self._log.bug(error, request=request.request)
            reason = f"a fault in xyfleet: {type(error).__name__}"
            found = pieces(TalkAnswer(state="unknown" if changes(request.question) else "fault", reason=reason))
        self._tell_pieces(request, found)

    def _tell_pieces(self, request: TalkRequest, found: list[bytes]) -> None:
        for number, data in enumerate(found):
            last = number == len(found) - 1
            self._send(TalkPiece(request=request.request, number=number, data=data, last=last))
