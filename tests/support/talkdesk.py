"""A desk of an account's messages at which questions about conversations are asked too."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from support.gateway import Gateway
from support.imclient import UNB
from support.maildesk import Desk, Tap
from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.ipc.talks import TalkAnswer, TalkQuestion
from xyfleet.worker.messaging.talk_line import TalkPace
from xyfleet.worker.messaging.talks import TalkDesk

BUYER = "3300000000002"
QUICK = TalkPace(deadline=5.0, list_wait=0.0, list_gap=0.0, busy_waits=(0.02, 0.04))


class TalkingDesk(Desk):
    """A desk at which questions about conversations are asked too."""

    def __init__(self, gateway: Gateway | str, folder: Path, pace: TalkPace = QUICK, **more: Any) -> None:
        super().__init__(gateway, folder, catch_up_every=0.0, **more)
        self.talked: list[tuple[float, str, Any]] = []
        """The calls of these questions: when, lwp, body."""
        self.talks = TalkDesk(self.inbox, "a0", UNB, self.clock, lambda: self.mail.send_rate, self.log, pace)

    def registered(self, line: RpcChannel) -> None:
        """Tell this part too."""
        super().registered(line)
        self.talks.connected(Tap(line, self.talked))

    async def _live(self, session: Any) -> None:
        try:
            await super()._live(session)
        finally:
            self.talks.disconnected()

    def calls(self, lwp: str) -> list[Any]:
        """Return the bodies of the calls of this kind that questions made."""
        return [body for _, path, body in self.talked if path == lwp]

    async def ask(self, question: TalkQuestion) -> TalkAnswer:
        """Ask."""
        async with asyncio.timeout(10):
            return await self.talks.ask(question)


def said(gateway: Gateway, text: str, *, deliver: bool = False, **more: Any) -> str:
    """Have the buyer say something about item 8001 in talk 61; return the message's id."""
    item = {"type": "text", "text": text, "conversation": "61", "peer": BUYER, "item": "8001", **more}
    pushed = gateway.push(UNB, items=[item], deliver=deliver)
    return str(pushed["ids"][0])
