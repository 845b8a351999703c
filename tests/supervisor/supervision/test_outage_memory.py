"""Outages outlive the supervisor: who is down, since when, and whose turn it is."""

from __future__ import annotations

import msgspec
import pytest

from xyfleet.supervisor.credentials.fleet_document import KeptOutage
from xyfleet.supervisor.supervision.canary_turns import CANARY_WAIT, NEXT_CANARY
from xyfleet.supervisor.supervision.outage import OutageWatch
from xyfleet.supervisor.supervision.outage_memory import Restored, kept, restored
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Group, Outage
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

PROXY = Secret("socks5://me:hunter2@10.0.0.1:1080")
WALL = 1.7e9


def begun(watch: OutageWatch, now: float, *, way: Secret | None = None, cause: Cause = Cause.AUTH) -> Outage:
    """Begin an outage of a way with three members."""
    outages = [each for name in "abc" for each in watch.stands(name, way, cause, now)]
    assert len(outages) == 1
    return outages[0]


def over_a_restart(watch: OutageWatch, now: float, *, down: float = 0.0, proxies: tuple[Secret, ...] = ()) -> Restored:
    """Return what the next supervisor makes of it, by a clock of its own that begins at 5; `down`: seconds between."""
    data = msgspec.json.encode(kept(watch, now, WALL + now))
    return restored(msgspec.json.decode(data, type=list[KeptOutage]), [None, *proxies], 5.0, WALL + now + down)


def test_the_next_supervisor_goes_on_with_the_turns() -> None:
    """Two canaries have failed; 700 s later another supervisor begins: the third goes when it was due anyway."""
    watch = OutageWatch()
    outage = begun(watch, 0.0)
    for at in (0.0, 600.0):
        watch.canaries.send(outage, "a", at)
        watch.canaries.came_back(outage, at, failed=True)

    (again,), down = over_a_restart(watch, 650.0, down=50.0)
    assert (again.scope, again.group, again.cause, again.accounts) == (None, Group.LOGIN, Cause.AUTH, 3)
    assert again.next_try - 5.0 == pytest.approx(1800.0 - 700.0, abs=1e-3)
    assert again.since - 5.0 == pytest.approx(-700.0, abs=1e-3)
    assert again.canary_wait == 2400.0
    assert down == dict.fromkeys("abc", Cause.AUTH)


@pytest.mark.parametrize(("logged_in", "wait"), [(True, CANARY_WAIT[0]), (False, NEXT_CANARY)])
def test_a_canary_that_was_out_has_had_its_turn(logged_in: bool, wait: float) -> None:
    """What became of its login nobody knows: the next one goes as after one that failed, and it is another's turn."""
    watch = OutageWatch()
    outage = begun(watch, 0.0)
    watch.canaries.send(outage, "b", 1.0)
    outage.logged_in = logged_in

    (again,), _ = over_a_restart(watch, 2.0)
    assert again.canary is None
    assert again.next_try - 5.0 == pytest.approx(wait)
    later = OutageWatch()
    later.canaries.remember(watch.canaries.went())
    assert [later.canaries.choose(names) for names in ("ab", "ba", "b")] == ["a", "a", "b"]


@pytest.mark.parametrize(("at", "wait"), [(1e12, 1e12), (WALL + 50.0, 0.0), (-7100.0, 1e12), (0.0, 0.0)])
def test_a_wrong_clock_moves_no_turn_beyond_the_longest(at: float, wait: float) -> None:
    """Whatever the file says; and no outage began in the future."""
    it = KeptOutage(
        scope="direct", group="login", cause="auth", since=at, accounts=3, next_try=at, canary_wait=wait, ahead=False
    )
    ((again,), _) = restored([it], [None], 1.0, WALL)

    assert 1.0 <= again.next_try <= CANARY_WAIT[1] + 1.0
    assert CANARY_WAIT[0] <= again.canary_wait <= CANARY_WAIT[1]
    assert again.since <= 1.0


def test_ways_are_known_again_and_not_told() -> None:
    """A proxy's outage is found again by its address, which no file has; that of a way that is gone is over."""
    watch = OutageWatch()
    begun(watch, 0.0, way=PROXY, cause=Cause.CLOSED)
    assert b"hunter2" not in msgspec.json.encode(kept(watch, 0.0, WALL))

    (again,), _ = over_a_restart(watch, 1.0, proxies=(PROXY,))
    assert (again.scope, again.group) == (PROXY, Group.REACH)
    assert again.next_try == 5.0, "a probe goes at once"
    assert over_a_restart(watch, 1.0) == ([], {})


def test_words_of_a_later_version_are_left_out() -> None:
    """An outage of another kind is none here, and spoils nothing."""
    good = KeptOutage(
        scope="platform", group="login", cause="refused", since=WALL, accounts=9, next_try=WALL, canary_wait=600.0
    )
    odd = [msgspec.structs.replace(good, **{field: "odd"}) for field in ("scope", "group", "cause")]

    assert [each.scope for each in restored([*odd, good], [None], 1.0, WALL).outages] == [PLATFORM]
