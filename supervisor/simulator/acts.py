"""Carries out the faults that do something by themselves, each at its time. Shell (one timer per fault).

A fault that only changes an answer needs nothing of this: whoever answers looks it up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from xyfleet.supervisor.simulator.compose import Wanted
from xyfleet.supervisor.simulator.connection import Connection
from xyfleet.supervisor.simulator.fault_kinds import Point, names
from xyfleet.supervisor.simulator.faults import Fault
from xyfleet.supervisor.simulator.gateway import Gateway
from xyfleet.supervisor.simulator.listener import Listener

_ON_CONNECTIONS: Final = names(Point.ACT, Point.SPAN)
_TIMED: Final = _ON_CONNECTIONS | names(Point.LISTEN) | {"session_expired"}
_STORM_TICK: Final = 0.05
"""Seconds between two helpings of a push storm."""
_GARBAGE: Final[dict[str, bytes]] = {
    "text": b"\x81\x05<html",
    "utf8": b"\x81\x02\xff\xfe",
    "frame": b"\xf3\x00",
    "binary": b"\x82\x03\x00\x01\x02",
    "shape": b'\x81\x14{"event":"hi","n":1}',
}
"""A text that is no JSON, one that is no UTF-8, a frame with reserved bits and opcode, a binary frame, JSON that is
neither a push nor an answer."""


class Acts:
    """Starts and ends what faults do."""

    def __init__(self, gateway: Gateway, door: Listener) -> None:
        self._gateway = gateway
        self._door = door
        self._timed: dict[int, Fault] = {}
        """Those that begin, and perhaps end, by a timer; also when spent, for their end may be still to come."""
        self._timers: dict[tuple[int, str], asyncio.TimerHandle] = {}
        self._shut_by: set[int] = set()

    def add(self, fault: Fault) -> int:
        """Put a fault in force from its time on, and return its id."""
        now = time.monotonic()
        fault_id = self._gateway.faults.add(fault, now)
        self._forget(now)
        if fault.kind.name in _TIMED:
            self._timed[fault_id] = fault
            self._at(fault, "begin", fault.begin, self._begin)
        return fault_id

    def remove(self, fault_id: int | None = None) -> list[int]:
        """Lift one fault, or all; returns the ids of those that were there."""
        ids = {fault.id for fault in self._gateway.faults.remove(fault_id)}
        ids |= {known for known in self._timed if fault_id in (None, known)}
        for gone in ids:
            for name in ("begin", "end", "storm"):
                if timer := self._timers.pop((gone, name), None):
                    timer.cancel()
            if fault := self._timed.pop(gone, None):
                fault.lifted = True
                self._end(fault, fault.begin)
        return sorted(ids)

    def _forget(self, now: float) -> None:
        """Forget what was done once and for all; long rehearsals order many such acts."""
        done = [old for old in self._timed.values() if old.momentary and old.over(now) and now > old.begin + old.after]
        for fault in done:
            del self._timed[fault.id]
            self._timers.pop((fault.id, "begin"), None)

    def registered(self, connection: Connection) -> None:
        """Do to a connection that has just registered what is in force for new ones."""
        account = connection.account
        assert account is not None
        kinds = _ON_CONNECTIONS - {"push_storm"}
        faults = self._gateway.faults.in_force(kinds, account.unb, time.monotonic(), opened=connection.opened)
        for fault in [fault for fault in faults if fault.connections != "live"]:
            fault.strikes += 1
            self._later(fault, connection)

    def _at(self, fault: Fault, name: str, when: float, call: Callable[[Fault, float], None]) -> None:
        delay = when - time.monotonic()
        if delay <= 0 and name == "begin" and when == fault.begin:
            call(fault, when)  # effective before the answer to the request that brought it
        else:
            loop = asyncio.get_running_loop()
            self._timers[fault.id, name] = loop.call_later(max(0.0, delay), call, fault, when)

    def _begin(self, fault: Fault, when: float) -> None:
        if fault.spent:
            return
        if fault.kind.name != "push_storm" and not (fault.kind.acts and fault.connections == "new"):
            fault.strikes += 1  # the others are counted for each message, or each registration
        match fault.kind.name:
            case "session_expired":
                for account in self._gateway.accounts.values():
                    if fault.matches(account.unb):
                        account.expire()
            case "refuse":
                self._shut_by.add(fault.id)
                self._door.shut()
                if fault.connections == "all":
                    for connection in list(self._gateway.connections):
                        self._gateway.end(connection, "reset")
            case "push_storm":
                self._storm(fault, 0.0)
            case _ if fault.connections != "new":
                for connection in self._struck(fault):
                    self._later(fault, connection)
        if fault.lasts is not None:
            self._at(fault, "end", when + fault.lasts, self._end)
        if fault.every is not None:
            missed = (time.monotonic() - when) // fault.every  # by a process that was stopped for a while
            self._at(fault, "begin", when + fault.every * (missed + 1), self._begin)

    def _end(self, fault: Fault, _when: float) -> None:
        if fault.kind.name == "refuse":
            self._shut_by.discard(fault.id)
            if not self._shut_by:
                self._door.open()
        elif fault.kind.name == "stall":
            for connection in self._gateway.connections:
                if connection.stalled_by == fault.id:
                    connection.resume()
                    if connection.account is not None:
                        self._gateway.recount(connection.account)

    def _struck(self, fault: Fault) -> list[Connection]:
        """Return the live connections that a fault beginning now is meant for."""
        return [one for one in self._gateway.live() if one.account is not None and fault.matches(one.account.unb)]

    def _later(self, fault: Fault, connection: Connection) -> None:
        if fault.after > 0:
            asyncio.get_running_loop().call_later(fault.after, self._act, fault, connection)
        else:
            self._act(fault, connection)

    def _act(self, fault: Fault, connection: Connection) -> None:
        if connection.registered is None or connection.account is None or fault.lifted:
            return
        gateway, settings = self._gateway, fault.params
        match fault.kind.name:
            case "close" | "reg_then_close":
                gateway.end(connection, settings["code"])
            case "drop":
                gateway.end(connection, settings["how"])
            case "reset":
                gateway.end(connection, "reset")
            case "kickout":
                gateway.kick(connection, settings["close"])
            case "session_remove":
                gateway.kick(connection, settings["close"], "/s/session/remove")
            case "stall":
                connection.stall(fault.id)
                gateway.recount(connection.account)
            case "garbage_frame":
                connection.send_bytes(_GARBAGE[settings["what"]])
            case name:
                self._push(name, settings, connection)

    def _push(self, name: str, settings: Any, connection: Connection) -> None:
        gateway, account = self._gateway, connection.account
        assert account is not None
        wanted = [Wanted(text=settings.get("text", "你好，还在吗"))]
        if name == "items32":
            talk = [Wanted(text=f"第 {number} 条") for number in range(1, settings["items"])]
            wanted = [Wanted(type="receipt", ids=["3900000000001.PNM"]), *talk]
        elif name == "big_frame":
            wanted.append(Wanted(type="json", object_type=370000, payload={"filling": "x" * settings["size"]}))
        items = [gateway.compose(account, one).item for one in wanted]
        for _copy in range(2 if name == "duplicate" else 1):
            gateway.push(connection, items)

    def _storm(self, fault: Fault, owed: float) -> None:
        """Push what is due to each connection, and come back after a tick for as long as the fault is in force."""
        start = fault.since(max(fault.begin, time.monotonic()))
        if start is None:
            return
        owed += fault.params["rate"] * _STORM_TICK
        for connection in self._struck(fault):
            if fault.takes(connection.opened, start):
                self._shower(fault, connection, int(owed))
        again = asyncio.get_running_loop().call_later(_STORM_TICK, self._storm, fault, owed % 1)
        self._timers[fault.id, "storm"] = again

    def _shower(self, fault: Fault, connection: Connection, number: int) -> None:
        for _message in range(number):
            if fault.spent or connection.account is None:
                return
            fault.strikes += 1
            self._gateway.push(connection, [self._gateway.compose(connection.account, Wanted()).item])
