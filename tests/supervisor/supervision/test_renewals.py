"""Tests of `xyfleet.supervisor.supervision.renewals`: the page's own renewals against the built-in login page."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.gateway import Gateway
from support.tokens import FREE, TLS
from xyfleet.supervisor.control.status import login_view
from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.credentials.record import Credentials
from xyfleet.supervisor.credentials.store import Key, Store
from xyfleet.supervisor.passport import renewal
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.renewal_plan import RenewalPace
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision.account_state import Condition, Wish
from xyfleet.supervisor.supervision.renewals import Renewals
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.secret import Secret
from xyfleet.worker.states import State

UNBS = [str(2200000000001 + index) for index in range(3)]


@dataclass
class Member:
    """What renewals look at of an account."""

    account: Account
    condition: Condition = field(default_factory=lambda: Condition(wish=Wish.RUN))
    state: State = State.CONNECTED

    @property
    def name(self) -> str:
        return self.account.name


class WatchedStore(Store):
    """Remembers when each renewal began: what is on disk before it is made says so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.begun: dict[Key, list[float]] = {}

    async def write(self, key: Key, new: Credentials, if_serial: int) -> bool:
        self.begun.setdefault(key, []).append(new.alive.last)
        return await super().write(key, new, if_serial)


@dataclass
class Rig:
    """Accounts with long logins, and their renewals, a thousand times as often."""

    store: WatchedStore
    members: dict[str, Any]
    troubled: set[str] = field(default_factory=set)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def held(self, index: int) -> Credentials:
        """What is kept of an account."""
        return self.store.get(f"a{index}")


@asynccontextmanager
async def renewing(
    tmp_path: Path, gateway: Gateway, every: float = 30.0, pace: RenewalPace | None = None
) -> AsyncIterator[Rig]:
    """Run renewals of three accounts."""
    store = WatchedStore(tmp_path)
    store.load([])
    soon = int((time.time() + 86_400) * 1000)
    for index, unb in enumerate(UNBS):
        store.adopt(f"a{index}", Secret(f"unb={unb}; cookie2=sim-{index}; havana_lgc_exp={soon}"), "file")
    accounts = [Account(name=f"a{index}", where="x", renew_login=index < 2) for index in range(3)]
    rig = Rig(store, {account.name: Member(account) for account in accounts})
    tokens = TokenService(store, gateway.token_url, TLS, FREE)
    renewals = Renewals(
        rig.members,
        store,
        tokens,
        lambda member: member.name in rig.troubled,
        lambda member, _kind, to: rig.notes.append((member.name, to)),
        pace or RenewalPace(every=(every, every), gap=(0.05, 0.1)),
        look=0.02 if pace is None else 0.002,
    )
    job = asyncio.create_task(renewals.run())
    try:
        yield rig
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await store.close()


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the store has no event for it
            await asyncio.sleep(0.02)


async def test_renewals_renew(tmp_path: Path, gateway: Gateway) -> None:
    """Who asks for it is renewed once, one after the other; the cookie takes over what is set; others are let alone."""
    async with renewing(tmp_path, gateway) as rig:
        await until(lambda: rig.held(0).alive.renewals and rig.held(1).alive.renewals)
        await asyncio.sleep(0.3)
        figures: Any = await asyncio.to_thread(gateway.ask, "GET", "passport")
        view = login_view(rig.held(0), renewed=True)

    assert {unb: len(times) for unb, times in figures["renewals"].items()} == {UNBS[0]: 1, UNBS[1]: 1}
    starts = [times[0] for times in figures["renewals"].values()]
    assert abs(starts[0] - starts[1]) >= 0.05
    pairs = cookies.parse(rig.held(0).cookie.reveal())  # type: ignore[union-attr]
    assert float(pairs["havana_lgc_exp"]) / 1000 > time.time() + 25 * 86_400
    assert pairs["unb"] == UNBS[0]
    assert "_m_h5_tk" in pairs
    assert (view.state, view.renewals) == ("ok", 1)
    assert view.next_renewal is not None
    assert set(view.expires) == {"havana_lgc_exp", "_m_h5_tk"}
    assert rig.held(2).alive.last == 0


@pytest.mark.parametrize(
    ("answer", "over", "to"), [("check", "renewal_check", "login_check"), ("risk", "renewal_check", "login_check")]
)
async def test_a_check_is_the_end_of_renewals(
    tmp_path: Path, gateway: Gateway, answer: str, over: str, to: str
) -> None:
    """After the first answer that asks for a person the account is renewed no more, until it has another login."""
    gateway.fault(UNBS[0], kind="renewal", answer=answer)
    async with renewing(tmp_path, gateway, every=0.1) as rig:
        await until(lambda: rig.held(0).alive.over and rig.held(1).alive.renewals)
        before = rig.held(0).alive.last
        await asyncio.sleep(0.5)
        assert rig.held(0).alive.last == before
        assert rig.held(0).alive.over == over
        assert rig.notes == [("a0", to)]
        await asyncio.to_thread(gateway.clear)
        rig.store.replace("a0", Secret(f"unb={UNBS[0]}; cookie2=sim-new"), "login")
        await until(lambda: rig.held(0).alive.state == "ok")


async def test_a_dead_login_is_told_and_nothing_is_dropped(tmp_path: Path, gateway: Gateway) -> None:
    """The state is `dead since`, no verdict stands, and no further renewal is tried."""
    async with renewing(tmp_path, gateway, every=0.1) as rig:
        await until(lambda: rig.held(0).alive.state == "ok")
        gateway.fault(UNBS[0], kind="session_expired", logins=True)
        await until(lambda: rig.held(0).alive.state == "dead")
        held = rig.held(0)
        await asyncio.sleep(0.3)

        assert held.verdict is None
        assert rig.held(0).alive.last == held.alive.last
        assert login_view(held, renewed=True).since is not None
        assert ("a0", "login_dead") in rig.notes


async def test_nobody_is_renewed_in_trouble(tmp_path: Path, gateway: Gateway) -> None:
    """In an outage, while not connected, and after risk control nothing is called."""
    async with renewing(tmp_path, gateway, every=0.1) as rig:
        rig.troubled |= {"a0", "a1"}
        await asyncio.sleep(0.4)
        mark = rig.held(0).alive.last
        await asyncio.sleep(0.4)
        assert rig.held(0).alive.last == mark
        rig.members["a1"].state = State.RECONNECTING
        rig.troubled.clear()
        await until(lambda: rig.held(0).alive.last > mark)
        mark = rig.held(1).alive.last
        await asyncio.sleep(0.3)
        assert rig.held(1).alive.last == mark


@pytest.mark.long
async def test_a_scaled_month_keeps_its_limits(tmp_path: Path, gateway: Gateway) -> None:
    """At 1:400,000: every 6 to 12 h, one account at a time, none in an outage, none after the first check."""
    hour, gap = 3600 / 400_000, 0.005
    pace = RenewalPace(every=(6 * hour, 12 * hour), gap=(gap, 2 * gap))
    async with renewing(tmp_path, gateway, pace=pace) as rig:
        await asyncio.sleep(10 * 24 * hour)
        rig.troubled.add("a0")
        began = time.time()
        await asyncio.sleep(2 * 24 * hour)
        ended = time.time()
        rig.troubled.clear()
        await asyncio.sleep(18 * 24 * hour)
        await asyncio.to_thread(gateway.fault, UNBS[1], kind="renewal", answer="risk")
        await until(lambda: rig.held(1).alive.over)
        checked = time.time()
        await asyncio.sleep(2 * 24 * hour)
        month = [rig.store.begun.get(rig.store.key(f"a{index}"), []) for index in range(3)]

    assert month[2] == []
    for times in month[:2]:
        assert 10 <= len(times) <= 130
        assert min(later - before for before, later in itertools.pairwise(times)) >= 6 * hour
    every_one = sorted(month[0] + month[1])
    assert min(later - before for before, later in itertools.pairwise(every_one)) >= gap
    assert [at for at in month[0] if began < at < ended] == []
    assert month[1][-1] < checked < month[0][-1]


async def test_who_is_stopped_in_the_middle_is_asked_nothing_more(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its login is known to live; while that was asked it was stopped, and an outage began for the other one."""
    looked: list[str] = []
    async with renewing(tmp_path, gateway) as rig:

        async def look(calls: BrowserCalls) -> str:
            looked.append(calls.jar["unb"])
            if looked[-1] == UNBS[0]:
                rig.members["a0"].condition = Condition(wish=Wish.STOPPED)
            else:
                rig.troubled.add("a1")
            return "ok"

        monkeypatch.setattr(renewal, "_look", look)
        await until(lambda: len(looked) == 2)
        await asyncio.sleep(0.2)
        figures: Any = await asyncio.to_thread(gateway.ask, "GET", "passport")

    assert not figures["renewals"]
