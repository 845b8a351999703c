"""The fleet of the month: real conditions, outages, tickets and paces; made-up workers, logins and answers. Shell."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from scripts.lib.policy.clock import spawn
from scripts.lib.policy.figures import Figures
from scripts.lib.policy.hooks import MonthHooks
from scripts.lib.policy.month import Month, Trouble, Ways, struck, way_of
from scripts.lib.policy.shop import Shop, Worker
from scripts.lib.policy.tokens import MonthTokens
from xyfleet.supervisor.common.event_log import Kind as EventKind
from xyfleet.supervisor.settings import Account, Fleet
from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account import FleetPorts, SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition
from xyfleet.supervisor.supervision.outage_recovery import OutageRecovery
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.tickets import TicketIssuer, ticket_of
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Go, Report, TicketRequest, Up
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.states import State

FLEET: Final = Fleet(name="month", state_dir=Path("nowhere"))
QUIET: Final = 60.0
START: Final = 0.02
"""Seconds of a worker's start."""
RULES: Final = RestartRules(has_hook=True)


class MonthFleet:
    """Plays one month in one layout, and counts."""

    def __init__(self, month: Month, accounts: int, layout: str, cooldown: float, seed: int) -> None:
        self.figures = Figures(accounts)
        self.ways = Ways()
        self._month = month
        self._layout = layout
        self._chance = random.Random(seed)
        self.members: dict[str, SupervisedAccount] = {}
        self.shops: dict[str, Shop] = {}
        for index in range(accounts):
            shop = Shop(index, way_of(index, layout), self)
            self.shops[shop.name] = shop
        self._tokens = MonthTokens(self.shops, lambda shop: shop.reachable)
        self._hooks = MonthHooks(cooldown, month.hook_good, month.hook_person, self._chance)
        self._by_proxy = {self._proxy(shop): shop for shop in self.shops.values()}
        self.recovery = OutageRecovery(self.members, self._probe, self._note_outage, self._tokens.hurry)
        self._desk = TicketIssuer(self._tokens, self.recovery, FLEET, self._run)  # type: ignore[arg-type]
        self._jobs: set[asyncio.Task[None]] = set()
        self._recovering: asyncio.Task[None] | None = None

    async def play(self) -> Figures:
        """Play it to its end."""
        ports = FleetPorts(
            rules=lambda: RULES,
            go=self._go,
            carry_out=self._carry_out,
            stands=self.recovery.stands,
            failed=self._failed,
            heard=self._heard,
            changed=lambda member, change: None,
            gone=lambda member, child: None,
        )
        for shop in self.shops.values():
            account = Account(name=shop.name, where="the month", proxy=self._proxy(shop))
            member = self.members[shop.name] = SupervisedAccount(account, Condition(), ports)
            self.recovery.moved(member)
            member.begin()
        for trouble in self._month.troubles:
            self._at(trouble.begin, self._begin, trouble)
            self._at(trouble.end, self._end, trouble)
        for shop in self.shops.values():
            self._next_drop(shop)
            self._next_death(shop)
        await asyncio.sleep(self._month.seconds)
        if self._recovering is not None:
            self._recovering.cancel()
        for shop in self.shops.values():
            shop.lit(True)
        return self.figures

    def _proxy(self, shop: Shop) -> Secret | None:
        return None if self._layout == "direct" else Secret(f"http://proxy-{shop.way}:80")

    # What accounts have done.

    def _carry_out(self, member: SupervisedAccount, action: Action) -> None:
        shop = self.shops[member.name]
        match action:
            case do.Queue():
                self._run(self._start(shop, member))
            case do.AskHook(number, _):
                self._hooks.ask(shop, member, number)
            case do.CancelHook():
                self._hooks.cancel(shop.name)
            case do.CancelTicket():
                self._desk.cancel(shop.name)
            case do.VoidToken():
                shop.token = None
            case do.ForgiveToken():
                self._tokens.forgive(shop.name)
            case do.Note("refresh", "needs_login"):
                self.figures.persons += 1

    async def _start(self, shop: Shop, member: SupervisedAccount) -> None:
        if self._token_at_hand(member):
            await self._desk.dial_turn(member)
        await asyncio.sleep(START)
        if member.take_turn():
            token = self._tokens.held(shop.name) if self._token_at_hand(member) else None
            shop.worker = Worker(shop, member, None if token is None else ticket_of(token, 0))
            member.started(shop.worker)  # type: ignore[arg-type]

    def _token_at_hand(self, member: SupervisedAccount) -> bool:
        return not self.recovery.holds(member) and self._tokens.held(member.name) is not None

    def _go(self, member: SupervisedAccount) -> Go:
        raise NotImplementedError("made-up workers are told nothing first")

    def _heard(self, member: SupervisedAccount, child: WorkerProcess, message: Up) -> None:
        if isinstance(message, TicketRequest):
            self._desk.ask(member, child, message)
        elif isinstance(message, Report):
            return

    def _failed(self, member: SupervisedAccount, event: Event) -> None:
        self._run(self._look_and_tell(member, event))

    async def _look_and_tell(self, member: SupervisedAccount, event: Event) -> None:
        child = member.child
        await self.recovery.look_whose_trouble(member, event.cause or Cause.BUG)
        self.recovery.up_to_date(member)
        if member.child is child and member.state is State.FAILED:
            member.failed_again = True
            member.happened(event)

    def _run(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = spawn(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task

    async def _probe(self, proxy: Secret | None) -> Reason | None:
        return await self._tokens.probe(self._by_proxy[proxy])

    def _note_outage(self, account: str | None, kind: EventKind, to: str, facts: dict[str, object]) -> None:
        """Count; the outages' clock runs only while there are some: most of a month there are none."""
        self.figures.outages += to == "begun"
        if self._recovering is None or self._recovering.done():
            self._recovering = self._run(self._recover())

    async def _recover(self) -> None:
        running = asyncio.get_running_loop().create_task(self.recovery.run())
        try:
            await asyncio.sleep(QUIET)
            while self.recovery.watch.outages:  # noqa: ASYNC110 (nobody tells of their end)
                await asyncio.sleep(QUIET)
        finally:
            running.cancel()

    def call_person(self, shop: Shop) -> None:
        """A person is needed: he comes some hours later, and logs in."""
        self._at(time.monotonic() - self._zero() + 3 * 3600.0, self._person_comes, shop)

    def _person_comes(self, shop: Shop) -> None:
        shop.logged_in()
        self.members[shop.name].happened(Event(kind=Kind.COOKIE, why="login"))

    # What goes wrong.

    def _at(self, seconds: float, call: object, *arguments: object) -> None:
        """Do something so many seconds after the beginning."""
        loop = asyncio.get_running_loop()
        loop.call_at(self._zero() + seconds, call, *arguments)  # type: ignore[arg-type]

    def _zero(self) -> float:
        if not hasattr(self, "_began"):
            self._began = time.monotonic()
        return self._began

    def _after(self, mean: float) -> float:
        return time.monotonic() - self._zero() + self._chance.expovariate(1 / mean)

    def _next_drop(self, shop: Shop) -> None:
        self._at(self._after(self._month.drop_every), self._own_drop, shop)

    def _own_drop(self, shop: Shop) -> None:
        shop.drop(Cause.CLOSED)
        self._next_drop(shop)

    def _next_death(self, shop: Shop) -> None:
        self._at(self._after(self._month.death_every), self._own_death, shop)

    def _own_death(self, shop: Shop) -> None:
        self._die(shop)
        self._next_death(shop)

    def _die(self, shop: Shop) -> None:
        shop.login_good = False
        shop.drop(Cause.CLOSED)

    def _some(self, share: float) -> list[Shop]:
        shops = list(self.shops.values())
        return self._chance.sample(shops, max(1, round(share * len(shops))))

    def _begin(self, trouble: Trouble) -> None:
        length = trouble.end - trouble.begin
        everybody = list(self.shops.values())
        match trouble.kind:
            case "three_logins_die":
                for shop in everybody[:3]:
                    self._die(shop)
            case "first_way_dead":
                if self._layout != "direct":
                    self._kill_ways({0}, length)
            case "many_ways_dead":
                ways = (shop.way for shop in everybody)
                self._kill_ways(struck(ways, trouble.share, self._layout, self._chance), length)
            case "ways_flap":
                self._flap(trouble)
            case "platform_silent":
                self.ways.silent = True
                self._bar(everybody, length)
            case "all_dropped":
                self._cut(everybody, Cause.CLOSED)
            case "all_expired":
                self.ways.expired = True
                for shop in everybody:
                    shop.void()
                self._bar(everybody, length)
            case "logins_die":
                for shop in self._some(trouble.share):
                    self._at(trouble.begin + self._chance.uniform(0, length), self._die, shop)
            case "risk":
                for shop in self._some(trouble.share):
                    shop.risky = True
                    shop.void()
                    shop.drop(Cause.CLOSED)
            case "token_calls_fail":
                self.ways.failing = True
                for shop in self._some(trouble.share):
                    shop.void()
                    shop.drop(Cause.CLOSED)

    def _end(self, trouble: Trouble) -> None:
        match trouble.kind:
            case "platform_silent":
                self.ways.silent = False
            case "all_expired":
                self.ways.expired = False
            case "token_calls_fail":
                self.ways.failing = False

    def _flap(self, trouble: Trouble) -> None:
        """Each way is dead for one minute of twenty."""
        for way in sorted({shop.way for shop in self.shops.values()}):
            at = trouble.begin + self._chance.uniform(0, 1200)
            while at < trouble.end:
                self._at(at, self._kill_ways, {way}, 60.0)
                at += 1200

    def _kill_ways(self, ways: set[int], seconds: float) -> None:
        self.ways.dead |= ways
        self._at(time.monotonic() - self._zero() + seconds, self._revive_ways, ways)
        self._bar([shop for shop in self.shops.values() if shop.way in ways], seconds)

    def _revive_ways(self, ways: set[int]) -> None:
        self.ways.dead -= ways

    def _bar(self, shops: list[Shop], seconds: float) -> None:
        """Nobody can connect for so long, and the connections of now end within a heartbeat."""
        self.figures.barred += seconds * len(shops)
        self._cut(shops, Cause.HEARTBEAT)

    def _cut(self, shops: list[Shop], cause: Cause) -> None:
        now = time.monotonic() - self._zero()
        for shop in shops:
            self._at(now + self._chance.uniform(0.0, 2.0 if cause is Cause.CLOSED else 30.0), shop.drop, cause)
