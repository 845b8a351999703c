"""Carries an outage out: probes the endpoint, sends canaries, sets the fleet going again. Shell.

The rule is in `outage`. While an outage lasts no ticket is given, no hook runs and no FAILED worker is restarted;
sockets that are open stay open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from xyfleet.supervisor.common.event_log import Kind
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.outage import PROBED, OutageWatch
from xyfleet.supervisor.supervision.restart_policy import Hook
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Change
from xyfleet.worker.states import State

TICK: Final = 0.5
PROBE_GOOD_FOR: Final = 2.0
"""Seconds for which one probe's answer speaks for every account that fails meanwhile."""
CANARY_PATIENCE: Final = 300.0
"""Seconds that a canary may take; after that it counts as silent."""


class OutageRecovery:
    """The shell around `OutageWatch`."""

    def __init__(
        self,
        members: Mapping[str, SupervisedAccount],
        probe: Callable[[], Awaitable[str | None]],
        note: Callable[[str | None, Kind, str, dict[str, object]], None],
        hurry: Callable[[], None],
    ) -> None:
        self.watch = OutageWatch()
        self._members = members
        self._probe = probe
        """Returns None when the endpoint answers, else why not."""
        self._note = note
        self._hurry = hurry
        """Ends the pauses between token calls that failed."""
        self._moved = asyncio.Condition()
        self._probed: tuple[float, str | None] = (-PROBE_GOOD_FOR, None)
        self._probing = asyncio.Lock()
        self._canary_since = 0.0

    async def pass_gate(self, account: str) -> None:
        """Wait until no outage holds this account back."""
        async with self._moved:
            await self._moved.wait_for(lambda: not self.watch.holds(account))

    def changed(self, account: str, change: Change) -> None:
        """Listen to a connection's change of state."""
        now = time.monotonic()
        if change.new is State.CONNECTED:
            if self.watch.succeeded(account, now):
                self._over("the canary is connected")
        elif change.new is State.RECONNECTING and change.cause is not None:
            is_loss = change.old is not State.FAILED
            if is_loss and self.watch.failed(account, change.cause, now):
                self._begun()

    async def own_trouble(self, member: SupervisedAccount, cause: Cause) -> bool:
        """Say whether a FAILED account's trouble is its own: the endpoint answers a probe, or can't be to blame."""
        if cause not in PROBED or member.account.proxy is not None or self.watch.current is not None:
            return True
        silent = await self._probe_once()
        if silent is None:
            return True
        if self.watch.endpoint_silent(1, time.monotonic()):
            self._begun(silent)
        return False

    async def run(self) -> None:
        """Probe and send canaries for ever."""
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            if self.watch.probe_due(now):
                await self._try_endpoint()
            elif self.watch.canary_due(now):
                await self._send_canary()
            else:
                self._hurry_canary(now)

    async def _probe_once(self) -> str | None:
        async with self._probing:
            at, answer = self._probed
            if time.monotonic() - at >= PROBE_GOOD_FOR:
                answer = await self._probe()
                self._probed = (time.monotonic(), answer)
            return answer

    async def _try_endpoint(self) -> None:
        silent = await self._probe()
        if self.watch.probed(silent is None, time.monotonic()):
            self._over("the endpoint answers")

    async def _send_canary(self) -> None:
        name = self._choose_canary()
        if name is None:
            return
        self.watch.send_canary(name)
        self._canary_since = time.monotonic()
        self._note(name, "outage", "canary", {})
        await self._wake()
        steps = self._members[name].steps
        if steps.deferred is not None:
            steps.take_deferred()

    def _choose_canary(self) -> str | None:
        """Return who goes first: one whose next step is known, else one that would dial."""
        waiting = [m for m in self._members.values() if m.wanted and not m.steps.needs_login and not m.steps.holding]
        ready = [m for m in waiting if m.steps.deferred is not None]
        ready = ready or [m for m in waiting if m.state is State.RECONNECTING]
        return ready[0].name if ready else None

    def _hurry_canary(self, now: float) -> None:
        outage = self.watch.current
        if outage is None or outage.canary is None:
            return
        member = self._members.get(outage.canary)
        lost = member is None or not member.wanted or member.steps.needs_login
        if lost or now - self._canary_since > CANARY_PATIENCE:
            self.watch.canary_done(now)

    def _begun(self, reason: str | None = None) -> None:
        outage = self.watch.current
        assert outage is not None
        facts: dict[str, object] = {"cause": outage.cause, "accounts": outage.accounts, "reason": reason}
        self._note(None, "outage", "begun", facts)

    def _over(self, reason: str) -> None:
        self._note(None, "outage", "over", {"reason": reason})
        self._hurry()
        for member in self._members.values():
            self._set_going(member)
        self._waking = asyncio.ensure_future(self._wake())

    def _set_going(self, member: SupervisedAccount) -> None:
        steps = member.steps
        if not member.wanted or steps.needs_login or steps.holding or steps.hooking:
            return
        if isinstance(steps.deferred, Hook) and member.cause is Cause.AUTH:
            steps.take_deferred()
        elif member.state in (State.RECONNECTING, State.FAILED):
            steps.revive("outage over", stale=False, drop=False)
        else:
            steps.take_deferred()

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()
