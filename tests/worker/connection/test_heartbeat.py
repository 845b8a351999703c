"""The heart: no false death, always dead past the deadline, a fixed grid, answers that count and that don't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.connection.heartbeat import ABNORMAL, FOREIGN, LATE_WAKE, REARM, Answer, HeartbeatTracker, Verdict

INTERVAL = 15.0
TIMEOUT = 30.0


def new_heart(now: float = 0.0) -> HeartbeatTracker:
    """Return a heart with the default settings."""
    return HeartbeatTracker(INTERVAL, TIMEOUT, now)


def beat(heart: HeartbeatTracker, mid: str, now: float) -> int:
    """Send a beat as a session does; return how many grid points had come due."""
    due = heart.come_due(now)
    heart.sent(mid, now)
    return due


def test_first_beat_is_due_at_once() -> None:
    """The first beat comes right after the registration, the next one interval later."""
    heart = new_heart(100.0)

    assert heart.next_beat == 100.0
    assert beat(heart, "a", 100.0) == 1
    assert heart.next_beat == 115.0


def test_grid_does_not_drift() -> None:
    """A beat that goes out late does not move the ones after it."""
    heart = new_heart()
    beat(heart, "a", 0.0)
    beat(heart, "b", 15.9)

    assert heart.next_beat == 30.0


def test_early_wake_does_not_beat_twice() -> None:
    """A timer that fires a little early sends the beat that was planned, and then the one after it."""
    heart = new_heart()
    beat(heart, "a", 0.0)

    assert beat(heart, "b", 14.999) == 1
    assert heart.next_beat == 30.0


def test_late_wake_skips_beats() -> None:
    """Grid points that were slept through are due but not sent: no burst."""
    heart = new_heart()
    beat(heart, "a", 0.0)

    assert beat(heart, "b", 61.0) == 4
    assert heart.next_beat == 75.0


def test_answer_with_own_mid_is_matched() -> None:
    """The answer to a beat settles it and measures its round trip."""
    heart = new_heart()
    beat(heart, "a", 0.0)

    assert heart.answer("a", True, 0.06) == Answer(True, 1, 0.06)
    assert heart.deadline is None
    assert heart.answered


def test_answer_settles_older_beats() -> None:
    """A newer answer proves the older beats too; a younger one goes on waiting."""
    heart = new_heart()
    for number, mid in enumerate("abc"):
        beat(heart, mid, number * INTERVAL)

    assert heart.answer("b", True, 31.0) == Answer(True, 2, 16.0)
    assert heart.deadline == 30.0 + TIMEOUT


def test_same_answer_twice_counts_once() -> None:
    """The second copy of an answer is foreign."""
    heart = new_heart()
    beat(heart, "a", 0.0)
    heart.answer("a", True, 1.0)

    assert heart.answer("a", True, 2.0) is FOREIGN


def test_abnormal_answer_is_no_answer() -> None:
    """A non-200 answer is told apart, and the beat goes on waiting."""
    heart = new_heart()
    beat(heart, "a", 0.0)

    assert heart.answer("a", False, 1.0) is ABNORMAL
    assert heart.deadline == TIMEOUT
    assert not heart.answered


def test_dead_at_the_deadline() -> None:
    """Alive just before the deadline of the oldest unanswered beat, dead at it."""
    heart = new_heart()
    beat(heart, "a", 0.0)
    beat(heart, "b", 15.0)

    assert heart.judge(29.999) is Verdict.ALIVE
    assert heart.judge(30.0) is Verdict.DEAD
    assert heart.expired(30.0) == 1


def test_late_wake_rearms_once() -> None:
    """A look more than a second too late gives the beat one more second, and only once."""
    heart = new_heart()
    beat(heart, "a", 0.0)
    woke = TIMEOUT + LATE_WAKE + 0.5

    assert heart.judge(woke) is Verdict.REARMED
    assert heart.deadline == woke + REARM
    assert heart.judge(woke + REARM + LATE_WAKE + 5) is Verdict.DEAD


def test_answer_after_rearming_saves() -> None:
    """The answer that was waiting in the kernel while the process stood still keeps the connection."""
    heart = new_heart()
    beat(heart, "a", 0.0)
    heart.judge(50.0)

    assert heart.answer("a", True, 50.1).settled == 1
    assert heart.judge(60.0) is Verdict.ALIVE


def test_late_answer_never_revives() -> None:
    """After the verdict nothing counts any more."""
    heart = new_heart()
    beat(heart, "a", 0.0)
    heart.judge(30.0)

    assert heart.answer("a", True, 30.1) is FOREIGN
    assert heart.judge(30.2) is Verdict.DEAD


def test_nothing_sent_is_alive() -> None:
    """Without a beat on its way there is nothing to judge by."""
    assert new_heart().judge(1e9) is Verdict.ALIVE


def test_failed_sends_count_in_a_row() -> None:
    """Failed sends are tried again after the retry delay; a good send resets their count and returns to the grid."""
    heart = new_heart()
    assert heart.come_due(0.0) == 1
    heart.send_failed(2.0, 5.0)
    assert (heart.failures, heart.next_beat) == (1, 7.0)

    assert heart.come_due(7.0) == 0
    heart.send_failed(9.0, 5.0)
    assert (heart.failures, heart.next_beat) == (2, 14.0)

    assert beat(heart, "a", 14.0) == 0
    assert (heart.failures, heart.next_beat) == (0, 15.0)


def test_failed_sends_are_due_but_not_waited_for() -> None:
    """A beat that was never written has no deadline; the grid points it missed are due."""
    heart = new_heart()
    beat(heart, "a", 0.0)
    heart.answer("a", True, 0.1)
    assert heart.come_due(15.0) == 1
    heart.send_failed(17.0, 20.0)

    assert heart.deadline is None
    assert heart.come_due(37.0) == 1


def test_retuned_heart_keeps_waiting_beats() -> None:
    """New settings take effect with the next beat; those on their way keep their deadline."""
    heart = new_heart()
    beat(heart, "a", 0.0)
    heart.retune(1.0, 3.0, 4.0)

    assert heart.deadline == TIMEOUT
    assert heart.next_beat == 5.0
    assert beat(heart, "b", 5.0) == 1
    assert heart.next_beat == 6.0
    assert heart.answer("a", True, 5.1).settled == 1
    assert heart.deadline == 8.0


settings = st.tuples(st.floats(0.05, 100), st.floats(2, 4)).map(lambda pair: (pair[0], pair[0] * pair[1]))


@given(settings, st.lists(st.floats(0, 0.999), min_size=1, max_size=20), st.data())
def test_no_false_death(pace: tuple[float, float], delays: list[float], data: st.DataObject) -> None:
    """Whatever the order of answers, each inside its deadline, no look ever says dead."""
    interval, timeout = pace
    heart = HeartbeatTracker(interval, timeout, 0.0)
    events: list[tuple[float, int, str]] = []
    for number, share in enumerate(delays):
        events.append((number * interval, 0, str(number)))
        events.append((number * interval + share * timeout, 1, str(number)))
    looks = data.draw(st.lists(st.floats(0, events[-1][0] + timeout), max_size=20))
    events += [(look, 2, "") for look in looks]
    for now, kind, mid in sorted(events):
        if kind == 0:
            beat(heart, mid, now)
        elif kind == 1:
            heart.answer(mid, True, now)
        assert heart.judge(now) is Verdict.ALIVE


@given(settings, st.integers(0, 5), st.integers(1, 5), st.floats(0, 0.9))
def test_always_dead_past_the_deadline(pace: tuple[float, float], good: int, silent: int, late: float) -> None:
    """When the answers stop, the first unanswered beat's deadline is the end, whatever foreign answers come."""
    interval, timeout = pace
    heart = HeartbeatTracker(interval, timeout, 0.0)
    for number in range(good):
        beat(heart, str(number), number * interval)
        heart.answer(str(number), True, number * interval + 0.01 * interval)
    first = good * interval
    for number in range(good, good + silent):
        beat(heart, str(number), number * interval)
        heart.answer(f"other-{number}", True, number * interval)
        heart.answer(str(number), False, number * interval)

    assert heart.deadline == first + timeout
    assert heart.judge(first + timeout + late * LATE_WAKE) is Verdict.DEAD


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=30), st.floats(0, 100))
def test_nothing_revives_the_dead(answers: list[tuple[str, bool]], wait: float) -> None:
    """Late and foreign answers in any number leave a dead connection dead."""
    heart = new_heart()
    beat(heart, "a", 0.0)
    heart.judge(TIMEOUT)
    for mid, ok in answers:
        assert heart.answer(mid, ok, TIMEOUT + wait) is FOREIGN

    assert heart.judge(TIMEOUT + wait) is Verdict.DEAD


@given(st.floats(0.01, 100), st.lists(st.floats(0, 10), min_size=1, max_size=30))
def test_grid_never_bursts(interval: float, lates: list[float]) -> None:
    """Two beats are never planned for one grid point, and all points passed are counted as due."""
    heart = HeartbeatTracker(interval, 2 * interval, 0.0)
    due = 0
    for number, late in enumerate(lates):
        now = heart.next_beat + late * interval
        due += beat(heart, str(number), now)
        heart.answer(str(number), True, now)
        assert now < heart.next_beat <= now + interval * 1.001

    assert due == round(heart.next_beat / interval)


@pytest.mark.parametrize("mid", ["b", "", "a "])
def test_foreign_mid(mid: str) -> None:
    """An answer with another mid is nobody's."""
    heart = new_heart()
    beat(heart, "a", 0.0)

    assert heart.answer(mid, True, 1.0) is FOREIGN
    assert heart.deadline == TIMEOUT
