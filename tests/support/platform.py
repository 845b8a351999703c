"""Questions to the platform without a fleet: one account, its record, and the built-in gateway."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.tokens import FREE, TLS
from xyfleet.supervisor.credentials.record import Verdict
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision.account_state import Condition, Wish
from xyfleet.supervisor.supervision.jobs import Jobs
from xyfleet.supervisor.supervision.platform_asks import PlatformAsks
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Answered
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

UNB = "2200000000001"


@dataclass
class Member:
    """What is looked at of an account."""

    account: Account = field(
        default_factory=lambda: Account(name="a0", where="x", apis=("mtop.taobao.idle.pc.detail",))
    )
    condition: Condition = field(default_factory=lambda: Condition(wish=Wish.RUN))

    @property
    def name(self) -> str:
        return self.account.name


class Rig:
    """One account, and its questions."""

    def __init__(self, folder: Path, url: str) -> None:
        self.store = Store(folder)
        self.store.load([])
        self.store.adopt("a0", Secret(f"unb={UNB}; cookie2=sim-0"), "file")
        self.member: Any = Member()
        self.members: dict[str, Any] = {"a0": self.member}
        self.troubled = False
        self.jobs = Jobs()
        self.notes: list[str] = []
        self.told: list[Answered] = []
        self.asks = PlatformAsks(
            self.members,
            self.store,
            TokenService(self.store, url, TLS, FREE),
            lambda member: self.troubled,
            self.note,
            self.jobs,
        )

    def send(self, message: Any) -> None:
        """Take what a worker is told."""
        self.told.append(message)

    def verdict(self, cause: Cause | None) -> None:
        """Have the last token call say so."""
        said = None if cause is None else Verdict(cause=cause, reason="x", at=0.0)
        self.store.put(self.store.key("a0"), self.store.get("a0").but(verdict=said))

    def note(self, member: Any, kind: str, to: str, /, *, reason: Reason | None = None) -> None:
        """Take an event."""
        self.notes.append(f"{kind} {to}" + ("" if reason is None else f" {reason}"))

    def free(self) -> None:
        """Have what holds calls back be over."""
        self.store.put(self.store.key("a0"), self.store.get("a0").but(ask_hold=None))

    async def close(self) -> None:
        """End all that goes on, and write what is left."""
        self.jobs.cancel_all()
        await self.jobs.wait_ended()
        await self.asks.shipments.close()
        assert await self.store.close()
