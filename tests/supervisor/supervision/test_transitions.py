"""The table that moves an account's condition: total, deaf to late answers, and one proven step at a time."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Hold, Login, Process, Wish, Worker, process_of
from xyfleet.supervisor.supervision.restart_policy import HOUR, RestartRules
from xyfleet.supervisor.supervision.transitions import NUMBERED, TABLE, transition
from xyfleet.worker.causes import Cause

RULES = RestartRules(has_hook=True)


class Life:
    """One account's condition over time; its random delays are the whole window."""

    def __init__(self, rules: RestartRules = RULES, **start: Any) -> None:
        self.it = Condition(**start)
        self.now = 0.0
        self.rules = rules

    def go(self, kind: Kind, **facts: Any) -> list[Action]:
        """Let something happen; a number that is asked for is the one held."""
        number = NUMBERED[kind](self.it) if kind in NUMBERED else None
        done = transition(self.it, Event(kind=kind, number=number, **facts), self.now, self.rules, 1.0)
        assert not done.impossible, (kind, self.it)
        self.it = done.condition
        return done.actions

    def live(self) -> Life:
        """Have a worker started."""
        if self.it.worker is Worker.NONE:
            self.go(Kind.BEGIN)
        self.go(Kind.TURN)
        self.go(Kind.SPAWNED)
        return self

    def fail(self, cause: Cause) -> list[Action]:
        """Let the worker be FAILED."""
        return self.go(Kind.FAILED, cause=cause)

    def die(self) -> list[Action]:
        """Let the worker end."""
        return self.go(Kind.GONE, why="exit", reason="exit code 1")


def of(kind: type[Any], actions: list[Action]) -> list[Any]:
    """Return the actions of one kind."""
    return [action for action in actions if isinstance(action, kind)]


def test_table_is_total() -> None:
    """Every kind of event has an entry for every value of the part that it looks at."""
    assert set(TABLE) == set(Kind)
    for row in TABLE.values():
        part = type(next(iter(row)))
        assert set(row) == set(part)


@pytest.mark.parametrize("kind", sorted(NUMBERED))
def test_late_answers_change_nothing(kind: Kind) -> None:
    """An answer that carries another number than the one held moves nothing, in whatever condition."""
    for worker, login in itertools.product(Worker, Login):
        it = Condition(worker=worker, login=login, start=5, hook=6, last_number=6)
        done = transition(it, Event(kind=kind, number=3, end="new"), 0.0, RULES, 0.0)
        assert (done.condition, done.actions) == (it, [])
        assert done.ignored is not None


def test_first_restart_is_at_once_then_in_a_doubling_window() -> None:
    """Deaths in a row are followed by 0, 1, 2, 4 … seconds, never more than backoff_max."""
    life, delays = Life(), []
    for _ in range(13):
        life.live()
        timers = of(do.SetTimer, life.die())
        delays.append(timers[0].at - life.now if timers else 0.0)
        if timers:
            life.go(Kind.TIMER)

    assert delays == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 900.0, 900.0]


def test_quarantine_is_told_and_its_end_too() -> None:
    """Finding 23: quarantined from a window of 300 s on; 120 s healthy end it, told then and not at the next loss."""
    life = Life()
    notes: list[str] = []
    for _ in range(12):
        life.live()
        notes += [note.to for note in of(do.Note, life.die()) if note.kind == "quarantine"]
        if life.it.timer is not None:
            assert process_of(life.it, RULES.quarantine_from) in (Process.BACKOFF, Process.QUARANTINED)
            life.go(Kind.TIMER)
    life.live()
    (timer,) = of(do.SetTimer, life.go(Kind.CONNECTED))
    assert timer.at == life.now + RULES.healthy_after
    notes += [note.to for note in of(do.Note, life.go(Kind.TIMER))]

    assert notes == ["quarantined", "released"]
    assert life.it.crashes == 0


def test_a_dead_login_asks_for_the_hook_at_once() -> None:
    """FAILED for `auth`: one hook, no restart; without a hook a person is needed."""
    assert of(do.AskHook, Life().live().fail(Cause.AUTH))
    life = Life(RestartRules()).live()
    life.fail(Cause.AUTH)
    assert life.it.login is Login.PERSON


@pytest.mark.parametrize("cause", [Cause.CLOSED, Cause.NETWORK, Cause.REFUSED, Cause.LIMIT])
def test_any_other_cause_first_costs_a_restart_with_a_new_token(cause: Cause) -> None:
    """The first FAILED within an hour: the token is void and the process new; no login."""
    life = Life().live()
    actions = life.fail(cause)
    assert of(do.VoidToken, actions)
    assert of(do.Stop, actions)
    assert not of(do.AskHook, actions)
    life.go(Kind.GONE, why="stopped")
    life.live()
    life.now = HOUR - 1
    assert bool(of(do.AskHook, life.fail(cause))) is (cause is not Cause.LIMIT)


def test_failed_hook_leads_to_a_counted_restart_only_where_it_is_needed() -> None:
    """After `refused` a failed hook means a restart; an account that is connected meanwhile is left alone."""
    life = Life(fresh_restart_at=0.0).live()
    life.fail(Cause.REFUSED)
    life.go(Kind.HOOK_STARTED)
    assert of(do.Stop, life.go(Kind.HOOK_ENDED, end="failed", wait=600.0))
    life = Life().live()
    life.go(Kind.CONNECTED)
    life.go(Kind.REFRESH)
    life.go(Kind.HOOK_STARTED)
    actions = life.go(Kind.HOOK_ENDED, end="failed", wait=600.0)
    assert [note.to for note in of(do.Note, actions)] == ["failed"]
    assert (life.it.login, life.it.timer) == (Login.FINE, None)


def test_a_failed_hook_after_auth_waits_for_its_cool_down() -> None:
    """Nothing but a login can help: the next hook comes when the cool-down ends, and no worker is started meanwhile."""
    life = Life().live()
    life.fail(Cause.AUTH)
    life.go(Kind.HOOK_STARTED)
    (timer,) = of(do.SetTimer, life.go(Kind.HOOK_ENDED, end="failed", wait=600.0))
    assert timer.at == 600.0
    assert not of(do.Queue, life.die())
    assert of(do.AskHook, life.go(Kind.TIMER))


def test_a_hook_that_wants_a_person_stops_all_but_a_connected_account() -> None:
    """`needs_human`: the account needs login; one that is CONNECTED by then stays as it is."""
    for up, login in ((False, Login.PERSON), (True, Login.FINE)):
        life = Life().live()
        life.fail(Cause.AUTH)
        life.go(Kind.HOOK_STARTED)
        if up:
            life.go(Kind.DIALS)
            life.go(Kind.CONNECTED)
        life.go(Kind.HOOK_ENDED, end="person", wait=600.0)
        assert life.it.login is login


def test_a_new_cookie_strikes_the_hook_out() -> None:
    """The owner's newer login wins: the hook is cancelled, and its answer finds no number."""
    life = Life().live()
    life.fail(Cause.AUTH)
    life.go(Kind.HOOK_STARTED)
    number = life.it.hook
    actions = life.go(Kind.COOKIE, why="login")
    assert of(do.CancelHook, actions)
    assert of(do.Reconnect, actions) == [do.Reconnect("login", drop=True, stale=True)]
    late = transition(life.it, Event(kind=Kind.HOOK_ENDED, number=number, end="person"), 0.0, RULES, 0.0)
    assert late.condition == life.it


def test_login_within_a_stop_starts_the_next_worker() -> None:
    """`stop`, and `login` before the worker is gone: the next one follows it."""
    life = Life().live()
    life.go(Kind.UNWANT)
    life.go(Kind.COOKIE, why="login")
    life.go(Kind.WANT)
    assert of(do.Queue, life.go(Kind.GONE, why="stopped"))


def test_what_is_stopped_waits_for_nothing() -> None:
    """A stop ends timer, hook and ticket, and leaves no number behind but the worker's own end."""
    life = Life().live()
    life.fail(Cause.AUTH)
    actions = life.go(Kind.UNWANT)
    assert of(do.CancelHook, actions)
    assert of(do.CancelTicket, actions)
    assert (life.it.hook, life.it.timer, life.it.login) == (None, None, Login.FINE)
    assert life.it.worker is Worker.STOPPING


def test_a_stop_in_the_backoff_ends_the_wait() -> None:
    """An account that waits for its restart is stopped: no timer is left to start it."""
    life = Life(crashes=3, window=2.0).live()
    life.die()
    assert life.it.timer is not None
    assert of(do.CancelTimer, life.go(Kind.UNWANT))
    assert life.it.timer is None


def test_a_hook_that_fails_late_is_not_repeated_for_who_is_connected() -> None:
    """The login was needed once; the account connected meanwhile, so no next hook is waited for."""
    life = Life().live()
    life.fail(Cause.AUTH)
    life.go(Kind.HOOK_STARTED)
    life.go(Kind.DIALS)
    life.go(Kind.CONNECTED)
    life.go(Kind.HOOK_ENDED, end="failed", wait=600.0)
    assert (life.it.login, life.it.timer) == (Login.FINE, None)


@pytest.mark.parametrize(("cause", "first"), [(Cause.RISK, 1800.0), (Cause.REMOVED, 1800.0), (Cause.RIVAL, 600.0)])
def test_holds_double(cause: Cause, first: float) -> None:
    """Risk control, removal and a rival: no login and no token call; one probe after a rest that doubles."""
    life = Life().live()
    waits = []
    for _ in range(8):
        (timer,) = of(do.SetTimer, life.fail(cause))
        waits.append(timer.at - life.now)
        life.now = timer.at
        (probe,) = of(do.Reconnect, life.go(Kind.TIMER))
        assert probe.stale is (cause is Cause.RIVAL)
        life.go(Kind.DIALS)
    longest = 7200.0 if cause is Cause.RIVAL else 86400.0

    assert waits == [min(first * 2**n, longest) for n in range(8)]


def test_an_outage_holds_restarts_and_hooks_and_is_over_for_all() -> None:
    """FAILED in an outage: nothing is done; when it is over the worker dials again."""
    life = Life().live()
    life.go(Kind.GATES, reach=True)
    assert life.fail(Cause.NETWORK) == []
    assert [type(each) for each in life.go(Kind.GATES)] == [do.Reconnect, do.SetTimer]


def test_a_hook_that_waits_for_a_place_waits_on_in_an_outage() -> None:
    """Who queues for the hook when an outage begins runs no login; when it is over he tries the session that he has."""
    life = Life().live()
    life.fail(Cause.AUTH)
    assert of(do.CancelHook, life.go(Kind.GATES, login=True))
    actions = life.go(Kind.GATES)
    assert of(do.ForgiveToken, actions)
    assert of(do.Reconnect, actions)
    assert not of(do.AskHook, actions)
    assert of(do.AskHook, life.fail(Cause.AUTH))


def test_a_refresh_that_waits_for_its_proxy_ends_with_a_connection() -> None:
    """An operator's login waits for a silent proxy, and the account connects: it is no half-waiting account after."""
    life = Life().live()
    life.go(Kind.REFRESH)
    life.go(Kind.HOOK_ENDED, end="proxy", reason="silent")
    life.go(Kind.CONNECTED)
    assert (life.it.login, life.it.hook, life.it.timer) == (Login.FINE, None, None)
    assert of(do.Stop, life.fail(Cause.CLOSED))


def test_a_silent_proxy_is_told_once() -> None:
    """Finding 41: the hook is asked for every minute while the proxy is silent; that it waits is one event."""
    life = Life().live()
    life.fail(Cause.AUTH)
    notes = []
    for _ in range(4):
        notes += of(do.Note, life.go(Kind.HOOK_ENDED, end="proxy", reason="silent"))
        life.go(Kind.TIMER)
    assert len(notes) == 1


def test_a_refresh_nobody_needed_takes_no_account_off_the_air() -> None:
    """An operator's login that ends in `needs_human` is noted; the account goes on with the token it has."""
    life = Life().live()
    life.go(Kind.CONNECTED)
    life.go(Kind.REFRESH)
    life.go(Kind.HOOK_STARTED)
    life.go(Kind.SETTINGS_RESTART)
    life.go(Kind.GONE, why="stopped")
    assert of(do.Queue, life.go(Kind.HOOK_ENDED, end="person", wait=600.0))
    assert life.it.login is Login.FINE


def test_without_a_hook_an_outage_of_logins_sends_nobody_to_a_person() -> None:
    """Who is told in an outage that his session is dead waits for its end, hook or not."""
    life = Life(RestartRules()).live()
    life.go(Kind.GATES, login=True)
    life.fail(Cause.AUTH)
    assert (life.it.login, life.it.waits_for) == (Login.HOOK_WAITING, "outage")
    assert of(do.Reconnect, life.go(Kind.GATES))


def test_starts_wait_for_the_end_of_an_outage_without_a_timer() -> None:
    """A worker that dies in an outage is started when it is over."""
    life = Life().live()
    life.go(Kind.GATES, reach=True)
    assert not of(do.Queue, life.die())
    assert process_of(life.it, 300.0) is Process.WAITING
    assert of(do.Queue, life.go(Kind.GATES))


def test_the_forkservers_death_counts_for_nothing() -> None:
    """Its workers are started again at once, however many deaths there were before."""
    life = Life(crashes=9, window=256.0).live()
    assert of(do.Queue, life.go(Kind.GONE, why="forkserver"))
    assert life.it.crashes == 9


def test_a_hook_in_the_settings_helps_who_waits_for_a_person() -> None:
    """`needs_login` for want of a hook ends when a reload brings one."""
    life = Life(RestartRules()).live()
    life.fail(Cause.AUTH)
    life.rules = RULES
    assert of(do.AskHook, life.go(Kind.SETTINGS_LIVE, has_hook=True))


def test_settings_forgive_nothing() -> None:
    """A changed setting lifts no hold and clears no count."""
    life = Life(login=Login.HELD, hold=Hold(cause=Cause.RISK, until=99.0), crashes=3, window=2.0)
    before = msgspec.structs.asdict(life.it)
    life.go(Kind.SETTINGS_LIVE, has_hook=True)
    life.go(Kind.SETTINGS_RESTART)
    assert msgspec.structs.asdict(life.it) == before


def test_every_wish_is_shown() -> None:
    """Every condition has one word for `status`."""
    for wish, worker, login in itertools.product(Wish, Worker, Login):
        assert isinstance(process_of(Condition(wish=wish, worker=worker, login=login), 300.0), Process)


def test_a_hook_in_the_settings_helps_nobody_who_waits_for_another_reason() -> None:
    """Finding 25: who waits for a person because the hook said so, or is held, is left alone; and nobody without it."""
    for life in (Life(login=Login.PERSON, person="hook_says"), Life(login=Login.HELD), Life()):
        assert not of(do.AskHook, life.go(Kind.SETTINGS_LIVE, has_hook=True))
    assert not of(do.AskHook, Life(login=Login.PERSON, person="no_hook").go(Kind.SETTINGS_LIVE))


def test_new_settings_forgive_nobody_who_has_no_worker() -> None:
    """Finding 25: no change of settings starts who waits for a person, the end of a hold, or a hook."""
    for login in (Login.PERSON, Login.HELD, Login.HOOK_WAITING, Login.HOOK_RUNNING):
        for kind in (Kind.SETTINGS_LIVE, Kind.SETTINGS_RESTART):
            life = Life(login=login)
            assert life.go(kind) == []
            assert life.it.login is login


@pytest.mark.parametrize(("kind", "why"), [(Kind.SETTINGS_RESTART, "settings"), (Kind.RESTART, "operator")])
def test_a_restart_that_was_asked_for_is_on_record_with_its_reason(kind: Kind, why: str) -> None:
    """Finding 37: `why` is `settings` or `operator`; where no worker is replaced nothing is said."""
    (note,) = of(do.Note, Life().live().go(kind))
    assert (note.kind, note.to, note.why) == ("restart", "starting", why)
    assert not of(do.Note, Life().go(kind))


def test_a_refresh_that_fails_keeps_the_hold() -> None:
    """Risk control holds the account; an operator's login fails, or may not run: it is left alone as long as before."""
    held = Condition(worker=Worker.LIVE, failed=Cause.RISK, cause=Cause.RISK)
    held = transition(held, Event(kind=Kind.FAILED, cause=Cause.RISK), 100.0, RULES, 0.5).condition
    assert held.hold is not None
    for end in ("failed", "not_allowed"):
        asked = transition(held, Event(kind=Kind.REFRESH), 200.0, RULES, 0.5).condition
        assert (asked.login, asked.asked) == (Login.HOOK_WAITING, True)
        failed = transition(
            asked, Event(kind=Kind.HOOK_ENDED, number=asked.hook, end=end, wait=600.0), 300.0, RULES, 0.5
        )
        it = failed.condition
        assert (it.login, it.hold, it.hold_level) == (Login.HELD, held.hold, held.hold_level)
        assert it.timer is not None
        assert (it.timer.kind, it.timer.at) == ("hold", held.hold.until)


def test_a_refresh_that_helps_ends_the_hold() -> None:
    """A new login, or a connection, is the end of it."""
    held = Condition(worker=Worker.LIVE, failed=Cause.RISK, cause=Cause.RISK)
    held = transition(held, Event(kind=Kind.FAILED, cause=Cause.RISK), 100.0, RULES, 0.5).condition
    asked = transition(held, Event(kind=Kind.REFRESH), 200.0, RULES, 0.5).condition
    for event in (Event(kind=Kind.HOOK_ENDED, number=asked.hook, end="new"), Event(kind=Kind.CONNECTED)):
        it = transition(asked, event, 300.0, RULES, 0.5).condition
        assert it.hold is None
