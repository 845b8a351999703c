"""Ships what handlers want shipped as soon as it may be done: on disk until its end is known, for a day at most. Shell.

One job per account sees to its orders one after the other. What kept one back keeps all of the account's back, so the
pause after it is the account's. An end that nobody knows is an end: it is said, and nothing is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from xyfleet.supervisor.common.rate_limit import growing
from xyfleet.supervisor.credentials.record import WantedShipment
from xyfleet.supervisor.credentials.store import Key, Store
from xyfleet.supervisor.platform_calls.service import Asker, AskRefused, refused
from xyfleet.supervisor.platform_calls.shipments import Shipments
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.jobs import Jobs
from xyfleet.worker.ipc.messages import Ask
from xyfleet.worker.protocol.shop import Shipped
from xyfleet.worker.reasons import ASK_LATER, Reason

MOST: Final = 300
"""Orders of one user that wait to be shipped at one time."""
log: Final = logging.getLogger(__name__)


class Pace(NamedTuple):
    """Seconds."""

    first: float = 60.0
    """The pause after what kept a shipment back; it doubles."""
    longest: float = 1800.0
    fresh: float = 60.0
    """An order that waits for longer may have become another: it is looked at first."""
    life: float = 86_400.0
    """An order that could not be shipped for so long is left to a person."""


class PlatformPorts(NamedTuple):
    """What is asked of the platform for an account."""

    ask: Callable[[SupervisedAccount, Ask], Awaitable[Any]]
    asker: Callable[[SupervisedAccount], Asker]
    given_up: Callable[[SupervisedAccount, Reason], None]
    """Tells a person of an order that is delivered, and not marked as shipped."""


class WantedShipments:
    """Those of all accounts."""

    def __init__(self, store: Store, shipments: Shipments, jobs: Jobs, ports: PlatformPorts) -> None:
        self.pace = Pace()
        self._store = store
        self._shipments = shipments
        self._jobs = jobs
        self._ports = ports
        self._running: dict[str, asyncio.Task[None]] = {}

    async def want(self, member: SupervisedAccount, order: str) -> Shipped:
        """Have an order shipped when it may be; return once that is on disk. Raises `AskRefused`."""
        name = member.name
        key, found = self._store.key(name), self._shipments.known(name, order)
        if found is not None:
            return found
        held = self._store.at(key)
        if held.cookie is None:
            raise refused("ask_login")
        if not any(each.order == order for each in held.wanted):
            if len(held.wanted) >= MOST:
                raise refused("ask_busy", count=MOST)
            new = WantedShipment(order=order, at=time.time())
            self._store.put(key, held.but(wanted=(*held.wanted, new)))
        self._begin(member)
        if not await self._store.saved(name):
            raise refused("ask_disk")  # it is seen to all the same, for as long as this supervisor lives
        return Shipped(order=order, later=True)

    def resume(self, member: SupervisedAccount) -> None:
        """Go on with what an earlier supervisor left, after a pause: all accounts begin at that moment."""
        if self._store.get(member.name).wanted:
            self._begin(member, failures=1)

    def leave(self, name: str) -> None:
        """An account is removed or forgotten: its orders wait on disk, if there still are any, and lapse there."""
        job = self._running.pop(name, None)
        if job is not None:
            job.cancel()

    def _begin(self, member: SupervisedAccount, failures: int = 0) -> None:
        job = self._running.get(member.name)
        if job is None or job.done():
            self._running[member.name] = self._jobs.run(self._see_to_all(member, failures))

    async def _see_to_all(self, member: SupervisedAccount, failures: int) -> None:
        while self._store.get(member.name).wanted:
            pause = growing(self.pace.first, self.pace.longest, failures)
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            kept_back = await self._see_to_oldest(member)
            failures = failures + 1 if kept_back else 0
        self._running.pop(member.name, None)

    async def _see_to_oldest(self, member: SupervisedAccount) -> bool:
        """Ship the order that waits for longest, or learn that it is not to be; return whether it has to wait on."""
        key = self._store.key(member.name)
        wanted = next(iter(self._store.at(key).wanted), None)
        if wanted is None:
            return False
        try:
            why = await self._not_to_be(member, wanted)
            if not self._stands(member, key, wanted):
                return False
            if why is None:
                await self._shipments.ship(self._ports.asker(member), wanted.order)
        except AskRefused as error:
            if error.reason.code in ASK_LATER:
                log.info("a shipment waits account=%s order=%s reason=%s", member.name, wanted.order, error.reason)
                return True
            why = error.reason
        except Exception as error:
            log.exception("fault while an order was shipped account=%s order=%s", member.name, wanted.order)
            why = Reason("ask_fault", {"words": type(error).__name__})
        if self._stands(member, key, wanted) and why is not None and why.code != "ship_done":
            self._ports.given_up(member, Reason("ship_given_up", {"order": wanted.order, "of": why}))
        self._drop(key, wanted.order)
        return False

    async def _not_to_be(self, member: SupervisedAccount, wanted: WantedShipment) -> Reason | None:
        """Return why an order need not be shipped any more. Raises `AskRefused` where that must wait."""
        age = abs(time.time() - wanted.at)  # the clock may have been set back
        if age > self.pace.life:
            return Reason("ship_too_late", {"hours": round(self.pace.life / 3600)})
        if age <= self.pace.fresh:
            return None
        try:
            order = await self._ports.ask(member, Ask(request=0, what="order", id=wanted.order))
        except AskRefused as error:
            if error.reason.code in ASK_LATER:
                raise
            return None  # it can't be looked at, which says nothing about the shipment
        if order.status in ("shipped", "received", "reviewed"):
            return Reason("ship_done")
        over = order.status in ("refunding", "refunded", "closed")
        return Reason("ship_over", {"words": order.status}) if over else None

    def _stands(self, member: SupervisedAccount, key: Key, wanted: WantedShipment) -> bool:
        """Tell whether an order is still wanted to be shipped; the account may have been forgotten meanwhile."""
        return self._store.key(member.name) == key and wanted in self._store.at(key).wanted

    def _drop(self, key: Key, order: str) -> None:
        held = self._store.at(key)
        left = tuple(each for each in held.wanted if each.order != order)
        if left != held.wanted:
            self._store.put(key, held.but(wanted=left))
