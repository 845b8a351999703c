"""The turns of canaries outlive the supervisor: a restart in an outage of logins is no reason for another login."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.supervision.canary_turns import CANARY_WAIT
from xyfleet.supervisor.supervision.outage import OutageWatch
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Outage, scope_key
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret


def begun(watch: OutageWatch, now: float) -> Outage:
    """Begin an outage of logins of the direct way."""
    outages = [each for name in "abc" for each in watch.stands(name, None, Cause.AUTH, now)]
    assert len(outages) == 1
    return outages[0]


def test_the_next_supervisor_goes_on_with_the_turns() -> None:
    """Two canaries have failed; the outage begins again after a restart: the third goes when it was due anyway."""
    watch = OutageWatch()
    outage = begun(watch, 0.0)
    for at in (0.0, 600.0):
        watch.canaries.send(outage, "a", at)
        watch.canaries.came_back(outage, at, failed=True)
    assert watch.turns() == {"direct": (1800.0, 2400.0)}

    later = OutageWatch()
    later.remember("direct", 1800.0 - 700.0, 2400.0, now=0.0)  # 700 s later, by a new clock
    again = begun(later, 5.0)
    assert (again.next_try, again.canary_wait) == (1100.0, 2400.0)
    assert later.turns() == {"direct": (1100.0, 2400.0)}
    later.over(again, 6.0)
    assert later.turns() == {}
    assert begun(OutageWatch(), 7.0).next_try == 7.0, "without a memory it goes at once"


@pytest.mark.parametrize(("at", "wait"), [(1e12, 1e12), (50.0, 0.0), (-7100.0, 1e12)])
def test_a_wrong_clock_moves_no_turn_beyond_the_longest(at: float, wait: float) -> None:
    """Whatever the file says."""
    watch = OutageWatch()
    watch.remember("direct", at, wait, now=0.0)
    outage = begun(watch, 1.0)

    assert 1.0 <= outage.next_try <= CANARY_WAIT[1] + 1.0
    assert CANARY_WAIT[0] <= outage.canary_wait <= CANARY_WAIT[1]


def test_an_old_turn_says_nothing() -> None:
    """Of an outage long before this one."""
    watch = OutageWatch()
    watch.remember("direct", -7300.0, 2400.0, now=0.0)

    assert begun(watch, 1.0).canary_wait == CANARY_WAIT[0]


def test_a_file_tells_no_proxy() -> None:
    """What stands for a way in a file is not its address."""
    assert {scope_key(PLATFORM), scope_key(None)} == {"platform", "direct"}
    assert "hunter2" not in scope_key(Secret("socks5://me:hunter2@10.0.0.1:1080"))
