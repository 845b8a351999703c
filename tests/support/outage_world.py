"""Real accounts under real outages; their workers and the answers of their ways are made up."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account import FleetPorts, SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Worker
from xyfleet.supervisor.supervision.outage_recovery import OutageRecovery
from xyfleet.supervisor.supervision.outage_values import Group
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Go
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret


class World:
    """Accounts that are connected, with ways that answer or not."""

    def __init__(self, ways: dict[str, Secret | None]) -> None:
        self.members: dict[str, SupervisedAccount] = {}
        self.asked: list[str] = []
        self.silent: set[Secret | None] = set()
        self.told: list[str] = []
        self.recovery = OutageRecovery(self.members, self._probe, self._note, lambda: None)
        for name, way in ways.items():
            ports = FleetPorts(
                rules=lambda: RestartRules(has_hook=True),
                go=lambda member: msgspec.json.decode(b"{}", type=Go),
                carry_out=self._carry_out,
                stands=self.recovery.stands,
                failed=lambda member, event: None,
                heard=lambda member, child, message: None,
                changed=lambda member, change: None,
                gone=lambda member, child: None,
            )
            account = Account(name=name, where="f:1", proxy=way)
            member = SupervisedAccount(account, Condition(worker=Worker.LIVE, up=True), ports)
            self.members[name] = member
            self.recovery.stands(member)

    async def _probe(self, proxy: Secret | None) -> Reason | None:
        return words("silent") if proxy in self.silent else None

    def _note(self, account: str | None, kind: str, to: str, facts: dict[str, Any]) -> None:
        self.told.append(to)

    def _carry_out(self, member: SupervisedAccount, action: Action) -> None:
        if isinstance(action, do.AskHook):
            self.asked.append(member.name)

    def lose(self, name: str, cause: Cause) -> None:
        """Let an account's connection end, and its worker give up."""
        member = self.members[name]
        for kind in (Kind.LOST, Kind.FAILED):
            member.was_down = member.failed_again = True
            member.happened(Event(kind=kind, cause=cause))

    def connect(self, name: str) -> None:
        """Let an account connect."""
        member = self.members[name]
        member.was_down, member.just_connected = False, True
        member.happened(Event(kind=Kind.CONNECTED))

    def end(self, way: object, group: Group) -> None:
        """Let an outage's probe be answered."""
        self.recovery._over(self.recovery.watch.outages[way, group], words("answered"), time.monotonic())

    @property
    def outages(self) -> set[tuple[object, Group]]:
        """The outages that go on."""
        return set(self.recovery.watch.outages)
