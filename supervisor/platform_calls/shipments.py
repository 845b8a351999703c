"""Marks orders as shipped, each once: on disk before the call, never repeated by itself, an unknown end said. Shell.

What is certain not to have been done leaves no trace, and may be asked for again. Of a call whose answer never came, or
that a killed supervisor had under way, nobody knows: that is said, until somebody asks `again`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from xyfleet.supervisor.credentials.record import Shipment
from xyfleet.supervisor.credentials.store import Key, Superseded
from xyfleet.supervisor.platform_calls import apis
from xyfleet.supervisor.platform_calls.service import Asker, AskRefused, PlatformCalls, refused
from xyfleet.worker.protocol.shop import Shipped
from xyfleet.worker.reasons import Reason

MOST: Final = 300
"""Shipments of one user that are remembered; those of unknown end are forgotten last."""
LAST_CALL: Final = 3.0
"""Seconds that calls already sent may still take when all ends."""
_ALREADY: Final = "ORDER_ALREADY_DELIVERY"
_log: Final = logging.getLogger(__name__)


class Shipments:
    """Those of all accounts."""

    def __init__(self, calls: PlatformCalls, *, wall: Callable[[], float] = time.time) -> None:
        self._calls = calls
        self._store = calls.store
        self._wall = wall
        self._under_way: dict[tuple[Key, str], asyncio.Task[Shipped]] = {}

    async def ship(self, asker: Asker, order: str, *, again: bool = False) -> Shipped:
        """
        Mark an order as shipped, and return when it is. Who asks meanwhile for the same shares the call.

        Args:
            again: Also where nobody knows what came of it before.

        Raises:
            AskRefused: it was not done; `ask_unknown`: nobody knows.
        """
        key = self._store.key(asker.name)
        job = self._under_way.get((key, order))
        if job is None:
            found = self.known(asker.name, order, again=again)
            if found is not None:
                return found
            job = self._under_way[key, order] = asyncio.create_task(self._ship(asker, key, order))
            job.add_done_callback(lambda done: self._ended(key, order, done))
        await asyncio.wait([job])  # whoever leaves, it goes on: it can't be taken back
        return job.result()

    def known(self, name: str, order: str, *, again: bool = False) -> Shipped | None:
        """Return what came of an order before; None: nothing, or it is under way. Raises `AskRefused`: nobody knows."""
        key = self._store.key(name)
        held = self._find(key, order)
        if held is not None and held.done:
            return Shipped(order=order, already=True)
        if held is None or again or (key, order) in self._under_way:
            return None
        raise _unknown(order)

    async def close(self) -> None:
        """Wait for calls already sent, `LAST_CALL` seconds at most; nothing is known of one that takes longer."""
        if self._under_way:
            jobs = list(self._under_way.values())
            _, late = await asyncio.wait(jobs, timeout=LAST_CALL)
            for job in late:
                job.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _ended(self, key: Key, order: str, job: asyncio.Task[Shipped]) -> None:
        del self._under_way[key, order]
        if not job.cancelled():
            job.exception()  # whoever waits has it; else it is nobody's

    async def _ship(self, asker: Asker, key: Key, order: str) -> Shipped:
        async with self._calls.turn(asker):
            await self._note_begin(asker, key, order)
            try:
                await self._calls.post(asker, apis.ship(order))
            except AskRefused as error:
                already = _ALREADY in str(error.reason.fields.get("words", ""))
                if not already:
                    self._fail(key, order, error)
            else:
                already = False
        self._note(key, Shipment(order=order, at=self._wall(), done=True))
        await self._store.saved(asker.name)
        _log.info("shipped account=%s order=%s already=%s", asker.name, order, already)
        return Shipped(order=order, already=already)

    def _fail(self, key: Key, order: str, error: AskRefused) -> None:
        """Raise, and forget the shipment where it is certain that nothing was done."""
        if not error.sure:
            _log.error("nobody knows whether an order was shipped order=%s reason=%s", order, error.reason)
            raise _unknown(order) from None
        self._note(key, order)
        raise error

    # The record.

    def _find(self, key: Key, order: str) -> Shipment | None:
        return next((each for each in self._store.at(key).shipments if each.order == order), None)

    async def _note_begin(self, asker: Asker, key: Key, order: str) -> None:
        """Have it on disk that the call is about to be made. Raises `AskRefused` where that can't be."""
        asker.may()
        held = self._store.at(key)
        begun = Shipment(order=order, at=self._wall())
        try:
            written = await self._store.write(key, held.but(shipments=_with(held.shipments, begun)), held.login)
            if not written:
                raise refused("ask_disk")
            asker.may()  # the disk took its time
        except Superseded:
            raise refused("ask_stopped") from None
        except AskRefused:
            self._note(key, order)
            raise

    def _note(self, key: Key, what: Shipment | str) -> None:
        """Note how a shipment ended, or that it never was; of a user who was forgotten meanwhile nothing is noted."""
        held, order = self._store.at(key), what if isinstance(what, str) else what.order
        if self._find(key, order) is None:
            return
        left = tuple(each for each in held.shipments if each.order != order)
        if isinstance(what, str):
            self._store.put(key, held.but(shipments=left))
        else:
            wanted = tuple(each for each in held.wanted if each.order != order)
            self._store.put(key, held.but(shipments=_with(left, what), wanted=wanted))


def _with(held: tuple[Shipment, ...], new: Shipment) -> tuple[Shipment, ...]:
    """Return the shipments with another one; of too many, the oldest that are done go first."""
    kept = [*(each for each in held if each.order != new.order), new]
    surplus = len(kept) - MOST
    going = {each.order for each in sorted(kept[:-1], key=lambda each: not each.done)[: max(0, surplus)]}
    return tuple(each for each in kept if each.order not in going)


def _unknown(order: str) -> AskRefused:
    return AskRefused(Reason("ask_unknown", {"words": order}), sure=False)
