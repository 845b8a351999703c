"""Tells accounts how the gates stand that outages open and shut for them, and who waits for a gate. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, Kind

AT_ONCE: Final = 50
"""So many accounts are told of their gates before the loop serves others."""


class GateNews:
    """
    Brings them.

    Args:
        gates: Says whether outages hold an account's dials back now, and its token calls and logins.
        shut: Called with whose dials are held back.
    """

    def __init__(
        self,
        members: Mapping[str, SupervisedAccount],
        gates: Callable[[SupervisedAccount], tuple[bool, bool]],
        shut: Callable[[str], None],
    ) -> None:
        self._members = members
        self._gates = gates
        self._shut = shut
        self._bells: dict[str, asyncio.Event] = {}
        """Those of accounts whose jobs wait for a gate."""
        self._to_tell: dict[str, None] = {}
        self._telling: asyncio.Task[None] | None = None

    def tell(self, member: SupervisedAccount) -> None:
        """Tell an account at once."""
        self._to_tell.pop(member.name, None)
        reach, login = self._gates(member)
        if (reach, login) != (member.condition.reach_gate, member.condition.login_gate):
            member.happened(Event(kind=Kind.GATES, reach=reach, login=login))
        if reach:
            self._shut(member.name)
        self.ring(member.name)

    def tell_name(self, name: str) -> None:
        """Tell an account at once, if there still is one of this name."""
        member = self._members.get(name)
        if member is not None:
            self.tell(member)

    def tell_all(self, members: Iterable[SupervisedAccount]) -> None:
        """Tell many: some at once, the others one by one."""
        self._to_tell |= dict.fromkeys(member.name for member in members)
        self._tell_some()
        if self._to_tell and self._telling is None:
            self._telling = asyncio.create_task(self._tell_the_others())

    def forget(self, name: str) -> None:
        """There is no such account any more."""
        self._to_tell.pop(name, None)

    def ring(self, name: str) -> None:
        """Have those look again who wait for an account's gate."""
        bell = self._bells.pop(name, None)
        if bell is not None:
            bell.set()

    async def until(self, member: SupervisedAccount, true: Callable[[], bool]) -> None:
        """Wait until an account's gates are such that something is true."""
        while not true():
            bell = self._bells.setdefault(member.name, asyncio.Event())
            await bell.wait()

    def _tell_some(self) -> None:
        for _ in range(min(AT_ONCE, len(self._to_tell))):
            name = next(iter(self._to_tell), None)
            if name is None:
                return
            del self._to_tell[name]
            self.tell_name(name)

    async def _tell_the_others(self) -> None:
        while self._to_tell:
            await asyncio.sleep(0)
            self._tell_some()
        self._telling = None
