"""Any order of events, late answers and commands: what is promised about one account holds after every step."""

from __future__ import annotations

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from xyfleet.supervisor.credentials.record import Past
from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Action, Event, HookEnd, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Login, Wish, Worker
from xyfleet.supervisor.supervision.past import past_of, restored
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.transitions import transition
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason

COMMANDS = [Kind.WANT, Kind.UNWANT, Kind.RESTART, Kind.RECONNECT, Kind.ENABLED, Kind.DISABLED]
COMMANDS += [Kind.SETTINGS_LIVE, Kind.SETTINGS_RESTART]


class AccountModel(RuleBasedStateMachine):
    """An account and the world around it: processes, hooks and timers that answer when they like."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = RestartRules(has_hook=True)
        self.it = Condition()
        self.now = 1000.0
        self.wall = 1.7e9
        self.kept = Past()
        """What the supervisor has written down."""
        self.live = 0
        """Worker processes that really live."""
        self.stopping = False
        self.queued = False
        self.spawns: list[int] = []
        self.hooks: list[int] = []
        """Runs that were asked for and not cancelled."""
        self.late: list[Event] = []
        """Answers on their way to somebody who does not wait for them any more."""
        self.timer: tuple[int, float] | None = None
        self.happen(Kind.BEGIN)

    def happen(self, kind: Kind, **facts: object) -> None:
        """Send an event, and do what is asked for."""
        before = self.it
        done = transition(self.it, Event(kind=kind, **facts), self.now, self.policy, 0.5)  # type: ignore[arg-type]
        assert not done.impossible, (kind, facts, before)
        self.it = done.condition
        for action in done.actions:
            self.carry_out(action, kind, before)

    def carry_out(self, action: Action, kind: Kind, before: Condition) -> None:
        """Do what is asked for, and check what was promised about it."""
        match action:
            case do.Queue():
                self.queued = True
            case do.Unqueue():
                self.queued = False
            case do.StrikeOut():
                self.late += [Event(kind=Kind.SPAWNED, number=number) for number in self.spawns]
                self.spawns.clear()
            case do.Stop():
                assert self.live, "nobody is there to stop"
                self.stopping = True
            case do.AskHook(number):
                self.check_login(kind)
                self.hooks.append(number)
            case do.CancelHook():
                for number in self.hooks:
                    self.late.append(Event(kind=Kind.HOOK_ENDED, number=number, end="person"))
                self.hooks.clear()
            case do.SetTimer(number, at):
                assert at >= self.now
                if self.timer is not None:
                    self.late.append(Event(kind=Kind.TIMER, number=self.timer[0]))
                self.timer = (number, at)
            case do.CancelTimer():
                assert self.timer is not None
                self.late.append(Event(kind=Kind.TIMER, number=self.timer[0]))
                self.timer = None

    def check_login(self, kind: Kind) -> None:
        """Never a login that is not needed or not allowed, but for an operator's own."""
        assert self.it.wish is Wish.RUN
        if not self.it.asked:
            assert not self.it.up
            assert not self.it.reach_gate
            assert not self.it.login_gate

    # The world answers.

    @rule(good=st.booleans())
    @precondition(lambda self: self.queued)
    def turn(self, good: bool) -> None:
        """The start queue comes to it."""
        self.queued = False
        self.happen(Kind.TURN)
        assert self.it.start is not None
        assert self.live == 0, "a second worker is started"
        self.spawns.append(self.it.start)

    @rule(good=st.booleans())
    @precondition(lambda self: self.spawns)
    def spawned(self, good: bool) -> None:
        """A start succeeds or fails."""
        number = self.spawns.pop()
        if good:
            self.live += 1
        self.happen(Kind.SPAWNED if good else Kind.SPAWN_FAILED, number=number)

    @rule(why=st.sampled_from(["exit", "hang", "forkserver"]))
    @precondition(lambda self: self.live)
    def gone(self, why: str) -> None:
        """The worker ends, asked for or not."""
        self.live -= 1
        why, self.stopping = "stopped" if self.stopping else why, False
        self.happen(Kind.GONE, why=why)

    @rule()
    @precondition(lambda self: self.live and not self.stopping)
    def connected(self) -> None:
        """It connects."""
        if self.it.failed is not None:
            self.happen(Kind.DIALS)
        self.happen(Kind.CONNECTED)

    @rule(cause=st.sampled_from([Cause.CLOSED, Cause.NETWORK, Cause.HEARTBEAT]))
    @precondition(lambda self: self.live)
    def lost(self, cause: Cause) -> None:
        """It loses its connection."""
        self.happen(Kind.LOST, cause=cause)

    @rule(cause=st.sampled_from(Cause))
    @precondition(lambda self: self.live)
    def failed(self, cause: Cause) -> None:
        """It gives up."""
        self.happen(Kind.FAILED, cause=cause)

    @rule(cause=st.sampled_from([Cause.NETWORK, Cause.PROTOCOL]))
    @precondition(lambda self: self.live)
    def answered_by_http(self, cause: Cause) -> None:
        """It gives up, for there is an HTTP answer in the place of a WebSocket: no login is asked for."""
        before = len(self.hooks)
        self.happen(Kind.FAILED, cause=cause, reason=Reason("handshake_failed", {"status": 502}))
        assert len(self.hooks) <= before

    @rule()
    @precondition(lambda self: self.live and self.it.failed is not None)
    def dials(self) -> None:
        """It dials again."""
        self.happen(Kind.DIALS)

    @rule()
    @precondition(lambda self: self.live)
    def outgrown(self) -> None:
        """It needs too much memory."""
        self.happen(Kind.OUTGROWN)

    @rule()
    @precondition(lambda self: self.hooks and self.it.login is Login.HOOK_WAITING)
    def hook_started(self) -> None:
        """The hook has its place."""
        self.happen(Kind.HOOK_STARTED, number=self.hooks[-1])

    @rule(end=st.sampled_from(["new", "unchanged", "failed", "person", "not_allowed", "proxy"]))
    @precondition(lambda self: self.hooks)
    def hook_ended(self, end: HookEnd) -> None:
        """The hook is answered."""
        self.happen(Kind.HOOK_ENDED, number=self.hooks.pop(), end=end, wait=600.0)

    @rule()
    @precondition(lambda self: self.timer is not None)
    def ring(self) -> None:
        """The timer rings."""
        assert self.timer is not None
        number, at = self.timer
        self.now, self.timer = max(self.now, at), None
        self.happen(Kind.TIMER, number=number)

    @rule(data=st.data())
    @precondition(lambda self: self.late)
    def answers_late(self, data: st.DataObject) -> None:
        """What nobody waits for any more changes nothing."""
        event = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
        done = transition(self.it, event, self.now, self.policy, 0.5)
        assert (done.condition, done.actions) == (self.it, [])

    # People and everybody's trouble.

    @rule(kind=st.sampled_from(COMMANDS))
    @precondition(lambda self: self.it.wish is not Wish.REMOVED)
    def command(self, kind: Kind) -> None:
        """The owner wants something."""
        self.happen(kind, has_hook=self.policy.has_hook)

    @rule()
    def cookie(self) -> None:
        """There is a new cookie."""
        self.happen(Kind.COOKIE, why="login")

    @rule()
    def refresh(self) -> None:
        """An operator wants a login."""
        self.happen(Kind.REFRESH)

    @rule(reach=st.booleans(), login=st.booleans())
    def outage(self, reach: bool, login: bool) -> None:
        """Outages begin and end; what is said to all sends nobody to a person for want of a hook."""
        self.happen(Kind.GATES, reach=reach, login=login)
        if (reach or login) and self.it.wish is Wish.RUN and self.it.user:
            assert self.it.person != "no_hook"

    @rule(has_hook=st.booleans())
    def hook_setting(self, has_hook: bool) -> None:
        """The hook is taken out of the settings, or put in."""
        self.policy = RestartRules(has_hook=has_hook)
        if self.it.wish is not Wish.REMOVED:
            self.happen(Kind.SETTINGS_LIVE, has_hook=has_hook)

    @rule(clock=st.floats(-1e6, 1e6), down=st.floats(0.0, 4000.0), kept=st.booleans())
    @precondition(lambda self: self.it.wish is Wish.RUN)
    def supervisor_restarts(self, clock: float, down: float, kept: bool) -> None:
        """
        A new supervisor reads what the one before wrote down after each step; the wall clock may have been set.

        The outages are kept too, unless they ended meanwhile with the way that they were of.
        """
        gates = self.it.reach_gate, self.it.login_gate
        person = self.it.person if self.it.person == "hook_says" else None
        fresh = Condition(user=self.it.user, person=person, login=Login.FINE if person is None else Login.PERSON)
        held = self.it.hold
        self.it = restored(fresh, self.kept, 5.0, self.wall + down + clock, self.policy)
        assert self.it.hold is None or held is not None
        self.wall += down + clock
        self.now, self.live, self.stopping, self.queued, self.timer = 5.0, 0, False, False, None
        self.spawns.clear()
        self.hooks.clear()
        self.late.clear()
        if kept:
            self.happen(Kind.GATES, reach=gates[0], login=gates[1])
        self.happen(Kind.BEGIN)

    @rule()
    def fault(self) -> None:
        """The program has a fault in something of this account."""
        self.happen(Kind.FAULT)

    @invariant()
    def what_is_kept_says_the_same(self) -> None:
        """Written down after every step, and read back: crashes, window, levels, and how long it is still held."""
        self.kept = msgspec.json.decode(msgspec.json.encode(past_of(self.it, self.now, self.wall)), type=Past)
        read = restored(Condition(), self.kept, self.now, self.wall, self.policy)
        assert (read.crashes, read.window, read.hold_level) == (self.it.crashes, self.it.window, self.it.hold_level)
        assert (read.waits_for == "outage") == (self.it.waits_for == "outage")
        left = 0.0 if self.it.hold is None else max(0.0, self.it.hold.until - self.now)
        assert (0.0 if read.hold is None else read.hold.until - self.now) == pytest.approx(left, abs=1e-3)

    @rule(seconds=st.floats(0.0, 4000.0))
    def time_passes(self, seconds: float) -> None:
        """Nothing happens."""
        self.now += seconds

    # What always holds.

    @invariant()
    def numbers_are_those_of_the_world(self) -> None:
        """What the condition waits for is under way, and nothing else is."""
        assert self.hooks == ([] if self.it.hook is None else [self.it.hook])
        assert (self.timer is None) == (self.it.timer is None)
        assert self.queued == (self.it.worker is Worker.QUEUED)
        assert self.live == (self.it.worker in (Worker.LIVE, Worker.STOPPING))
        assert self.spawns == ([] if self.it.start is None else [self.it.start])

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Every wanted account has a worker, a timer, a person to wait for, or a named thing with an end of its own."""
        it = self.it
        if it.wish is not Wish.RUN:
            return
        gated = it.reach_gate or (it.login is Login.HOOK_WAITING and it.login_gate)
        waits = it.timer is not None or it.hook is not None or it.login is Login.PERSON or gated
        assert it.worker is not Worker.NONE or waits, it

    @invariant()
    def whoever_waits_is_waited_for(self) -> None:
        """A hook that waits has a number, a timer, or an outage to wait for; a hold has its timer."""
        it = self.it
        if it.login in (Login.HOOK_WAITING, Login.HOOK_RUNNING):
            waits = it.hook is not None or it.timer is not None
            assert waits or it.reach_gate or it.login_gate, it
        if it.login is Login.HELD and it.wish is Wish.RUN:
            assert it.timer is not None, it

    @invariant()
    def stopped_is_stopped(self) -> None:
        """What is not wanted waits for nothing but its worker's end."""
        it = self.it
        if it.wish is not Wish.RUN:
            assert (it.timer, it.hook) == (None, None)
            assert it.worker in (Worker.NONE, Worker.STOPPING)
            assert it.worker is Worker.NONE or it.then is None

    def teardown(self) -> None:
        """When the faults end, a wanted account that no person has to help is connected within 15 minutes."""
        if self.it.wish is Wish.RUN and self.it.login is not Login.PERSON and self.policy.has_hook:
            self.heal()

    def heal(self) -> None:
        """Let everything go well from now on."""
        self.happen(Kind.GATES)
        began = self.now
        for _ in range(100):
            if self.it.up or self.it.login is Login.PERSON:
                break
            if self.queued:
                self.turn(True)
            elif self.spawns:
                self.spawned(True)
            elif self.stopping:
                self.gone("exit")
            elif self.hooks:
                self.hook_ended("new")
            elif self.live and self.it.login is not Login.HELD:
                self.connected()
            else:
                held = self.it.login is Login.HELD
                assert self.timer is not None, self.it
                self.ring()
                began = self.now if held else began
        assert self.it.up or self.it.login is Login.PERSON, self.it
        assert self.now - began <= 15 * 60, self.it


AccountModel.TestCase.settings = settings(
    max_examples=settings().max_examples * 3 // 2, stateful_step_count=50, deadline=None
)
TestAccountModel = AccountModel.TestCase
