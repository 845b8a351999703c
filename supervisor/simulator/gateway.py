"""The gateway's memory: who is connected, what was pushed and acked, what was counted. Shell (clock, connections)."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from xyfleet.supervisor.simulator import payloads
from xyfleet.supervisor.simulator.accounts import Account, Counters, total
from xyfleet.supervisor.simulator.compose import Composed, PushRequest, Wanted, compose
from xyfleet.supervisor.simulator.connection import Connection, Unacked
from xyfleet.supervisor.simulator.faults import FaultBook
from xyfleet.supervisor.simulator.mailbox import Message
from xyfleet.supervisor.simulator.shop import SoldOrder
from xyfleet.supervisor.simulator.signing import Stamps

_ACK_COPIES: Final = ("mid", "sid", "app-key", "ua", "dt")
_CLOCK: Final = frozenset({"clock"})
_ACK_OR_DROP: Final = frozenset({"ack_or_drop"})
_ZOMBIE: Final = frozenset({"zombie"})


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How this gateway differs from the real service in its times. Seconds."""

    repush: float = 3.0
    """An unacked push is sent again after this."""
    repush_times: int = 5
    """A push sent so often without an ack ends the connection."""
    list_wait: float = 3.0
    """List calls sooner after `/reg` than this are told to wait."""
    token_ttl: float = 86400.0
    strict: bool = False
    """Whether it refuses what public clients do and what the real service is known to take, or may take: a handshake
    without `Origin` or `User-Agent` or with two `Host`, a device id of another form than the page's, opening a talk
    that there is. Signing cookies name `goofish.com` then."""


class Gateway:
    """All accounts and connections, and the faults they are to suffer."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.faults = FaultBook()
        self.accounts: dict[str, Account] = {}
        self.connections: set[Connection] = set()
        self.nobody = Counters()
        """Counts what no account can be named for."""
        self.stamps = Stamps(time.time() - time.monotonic())
        self.on_forget: list[Callable[[], None]] = []
        """Called when all is to be as new."""
        self._live: dict[str, Connection] = {}
        self._waiting: set[Connection] = set()
        self._mids = itertools.count(random.getrandbits(24) << 8)

    # Accounts and connections.

    def account(self, unb: str) -> Account:
        """Return the account, new if it was not known."""
        if unb not in self.accounts:
            self.accounts[unb] = Account(unb)
        return self.accounts[unb]

    def live(self) -> list[Connection]:
        """Return the registered connections."""
        return list(self._live.values())

    def new_sid(self) -> str:
        """Return an id for a connection."""
        return f"{next(self._mids) & 0xFFFFFFFF:08x}" + "0" * 34

    def identify(self, connection: Connection, unb: str) -> Account:
        """Note whose connection this is, and count its dial."""
        if connection.account is None:
            connection.account = self.account(unb)
            counters = connection.account.counters
            counters.sockets += 1
            counters.dials += 1
            counters.dial_times.append(connection.opened)
        return connection.account

    def register(self, connection: Connection, account: Account, now: float) -> None:
        """Make this the account's live connection; an older one is kicked out, and counted as an overlap."""
        older = self._live.get(account.unb)
        if older is not None and older is not connection:
            if older.stalled_by is None and older.peer_present():
                account.counters.overlaps += 1
                account.counters.max_live = 2
                self.kick(older, 1000)
            else:
                self.end(older, "none")
        connection.registered = now
        self._live[account.unb] = connection
        account.counters.regs_ok += 1
        self.recount(account)

    def recount(self, account: Account) -> None:
        """Bring the account's count of live connections up to date."""
        connection = self._live.get(account.unb)
        counters = account.counters
        counters.live = int(connection is not None and connection.stalled_by is None)
        counters.max_live = max(counters.max_live, counters.live)

    def end(self, connection: Connection, how: int | str) -> None:
        """End a connection from our side; from now on it is not live."""
        self._unregister(connection)
        connection.end(how)

    def gone(self, connection: Connection, code: int | None) -> None:
        """Take note that a connection is over; `code` is that of the client's close frame."""
        self._unregister(connection)
        self._waiting.discard(connection)
        if connection not in self.connections:
            return  # forgotten meanwhile
        self.connections.discard(connection)
        if connection.account is None:
            self.nobody.dials += 1
            self.nobody.dial_times.append(connection.opened)
            self.nobody.ended(code)
        else:
            connection.account.counters.sockets -= 1
            connection.account.counters.ended(code)

    def _unregister(self, connection: Connection) -> None:
        connection.registered = None
        account = connection.account
        if account is not None and self._live.get(account.unb) is connection:
            del self._live[account.unb]
            self.recount(account)

    def forget(self) -> None:
        """End all connections, and forget all accounts and figures."""
        for connection in list(self.connections):
            self.end(connection, "none")
        self.connections.clear()
        self.accounts.clear()
        self.nobody = Counters()
        for forget in self.on_forget:
            forget()

    def clock_ms(self, unb: str, now: float) -> int:
        """Return the time (ms) that the gateway says it is, to this account."""
        return self.stamps.next(now) // 1000 + self._shift(unb, now)

    def _shift(self, unb: str, now: float) -> int:
        fault = next(self.faults.in_force(_CLOCK, unb, now), None)
        return 0 if fault is None else int(fault.params["seconds"] * 1000)

    # Pushes.

    def kick(self, connection: Connection, how: int | str | None, lwp: str = "/push/kickout") -> None:
        """Tell a client that its connection (or session) is over, and end it, unless `how` is None."""
        if connection.account is not None and lwp == "/push/kickout":
            connection.account.counters.kicks += 1
        mid = self._new_mid()
        self._send_push(connection, mid, payloads.control(lwp, mid, connection.sid))
        if how is not None:
            self.end(connection, how)

    def push(
        self, connection: Connection, items: Sequence[dict[str, Any]], lwp: str = "/s/sync", code: int | None = None
    ) -> str | None:
        """Push these items and return the mid; None where a fault makes this connection a zombie."""
        now = time.monotonic()
        unb = connection.account.unb if connection.account else ""
        if self.faults.strike(_ZOMBIE, unb, now, opened=connection.opened):
            return None
        mid = self._new_mid()
        push = payloads.push(lwp, mid, connection.sid, items, self.clock_ms(unb, now))
        self._send_push(connection, mid, push if code is None else {"code": code, **push})
        self._waiting.add(connection)
        return mid

    def _new_mid(self) -> str:
        return f"{next(self._mids) & 0xFFFFFFFF:08x} 0"

    def _send_push(self, connection: Connection, mid: str, push: dict[str, object]) -> None:
        now = time.monotonic()
        connection.unacked[mid] = Unacked(push, now, now)
        counters = connection.account.counters if connection.account else self.nobody
        counters.pushes += 1
        connection.send(push)

    def acked(self, connection: Connection, code: object, headers: dict[str, Any]) -> None:
        """Note an ack; one that does not copy the push's headers is none, and counted as bad."""
        waiting = connection.unacked.get(str(headers.get("mid")))
        if waiting is None:
            return
        counters = connection.account.counters if connection.account else self.nobody
        wanted: Any = waiting.push["headers"]
        if code == 200 and all(headers.get(key) == wanted[key] for key in _ACK_COPIES if key in wanted):
            del connection.unacked[headers["mid"]]
            counters.acks += 1
            if connection.account:
                connection.account.acked.append(headers["mid"])
                connection.account.ack_ms.append(round((time.monotonic() - waiting.sent) * 1000, 3))
        else:
            counters.bad_acks += 1

    def repush(self, now: float) -> None:
        """Send again what waits too long for its ack; end connections that never ack."""
        for connection in list(self._waiting):
            if not connection.unacked:
                self._waiting.discard(connection)
            self._drop_unless_acked(connection, now)
            for waiting in list(connection.unacked.values()):
                if connection.ending or now - waiting.sent < self.options.repush or "body" not in waiting.push:
                    continue
                if waiting.times >= self.options.repush_times:
                    self.end(connection, "none")
                    continue
                waiting.sent, waiting.times = now, waiting.times + 1
                connection.send(waiting.push)
                if connection.account is not None:
                    connection.account.counters.repushes += 1

    def _drop_unless_acked(self, connection: Connection, now: float) -> None:
        unb = connection.account.unb if connection.account else ""
        oldest = min((waiting.first for waiting in connection.unacked.values()), default=now)
        faults = self.faults.in_force(_ACK_OR_DROP, unb, now, opened=connection.opened)
        fault = next((fault for fault in faults if now - oldest >= fault.params["seconds"]), None)
        if fault is not None and not connection.ending:
            fault.strikes += 1
            self.end(connection, "none")

    def compose(self, account: Account, wanted: Wanted) -> Composed:
        """Make one item for this account, and keep its message for the calls that list them."""
        now = time.monotonic()
        stamp = self.stamps.next(now)
        said = stamp // 1000 + self._shift(account.unb, now)
        when = account.mailbox.moment(said) if wanted.time is None else wanted.time
        composed = compose(wanted, account.unb, f"{stamp}.PNM", when)
        if composed.message is not None:
            account.mailbox.add(composed.message, wanted.peer)
            self._sell(account, composed.message, wanted.peer)
        return composed

    def _sell(self, account: Account, card: Message, buyer: str) -> None:
        """Have the shop know of the order that a card is about."""
        if card.trade is not None:
            held = account.shop.orders.get(card.trade.order)
            order = held or SoldOrder(id=card.trade.order, item=card.item, buyer=buyer, time=card.time)
            order.status = card.trade.status
            account.shop.put(order)

    def deliver(self, request: PushRequest) -> dict[str, Any]:
        """Carry out a push request; returns the mids sent and the message ids in the order asked for."""
        account = self.account(request.unb)
        composed = [self.compose(account, wanted) for wanted in request.wanted()]
        connection = self._live.get(request.unb) if request.deliver else None
        mids: list[str | None] = []
        for start in range(0, len(composed) if connection else 0, request.per_frame):
            items = [one.item for one in composed[start : start + request.per_frame]]
            for _copy in range(2 if request.duplicate else 1):
                assert connection is not None
                mids.append(self.push(connection, items, request.path(), request.code))
        return {"mids": [mid for mid in mids if mid], "ids": [one.id for one in composed]}

    # Figures.

    def stats(self, unbs: Iterable[str]) -> dict[str, Any]:
        """Return the figures of these accounts (all for none), and the sums over all."""
        wanted = list(unbs) or list(self.accounts)
        unnamed = [one for one in self.connections if one.account is None]
        pending = Counters(sockets=len(unnamed), dials=len(unnamed))
        pending.dial_times.extend(one.opened for one in unnamed)
        everybody = [self.nobody, pending, *(account.counters for account in self.accounts.values())]
        accounts = {unb: self.accounts[unb].counters if unb in self.accounts else Counters() for unb in wanted}
        return {
            "accounts": {unb: counters.view() for unb, counters in accounts.items()},
            "totals": total(everybody),
            "now": time.monotonic(),
        }
