"""Tests of `xyfleet.supervisor.login_hook.policy`."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from xyfleet.supervisor.common.rate_limit import DAY
from xyfleet.supervisor.credentials.record import Attempt
from xyfleet.supervisor.login_hook.policy import (
    LONGEST_COOLDOWN,
    LONGEST_RETRY_AFTER,
    Failed,
    NewCookie,
    NothingToChange,
    Result,
    left_today,
    next_allowed,
    understand,
)
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret

NOW = 1_767_225_600.0
COOLDOWN = 600.0
OK, BAD = True, False
outcomes = st.lists(st.tuples(st.booleans(), st.floats(0, 2000)), min_size=1, max_size=40)


def lived(runs: list[tuple[bool, float]], budget: int = 6) -> list[Attempt]:
    """Return the history of hooks that always start as soon as the rules allow, plus a delay, with these outcomes."""
    history: list[Attempt] = []
    now = NOW
    for ok, delay in runs:
        now = (next_allowed(history, now, budget=budget) or now) + delay
        history.append(Attempt(start=now, ok=ok))
    return history


@given(outcomes, st.integers(1, 6))
def test_never_more_than_the_budget_in_a_day(runs: list[tuple[bool, float]], budget: int) -> None:
    """Whatever comes of them, no day of 24 hours holds more runs than `login_budget`."""
    starts = [attempt.start for attempt in lived(runs, budget)]

    assert all(later - earlier >= DAY - 1e-3 for earlier, later in zip(starts, starts[budget:], strict=False))


@given(outcomes)
def test_the_cooldown_counts_from_every_start(runs: list[tuple[bool, float]]) -> None:
    """Two starts are never closer than the cool-down, after a success as after a failure."""
    starts = [attempt.start for attempt in lived(runs, budget=1000)]

    assert all(later - earlier >= COOLDOWN - 1e-3 for earlier, later in itertools.pairwise(starts))


@given(outcomes, st.floats(-2 * DAY, 2 * DAY), st.booleans())
def test_never_locked_for_longer_than_a_day(runs: list[tuple[bool, float]], ahead: float, ran: bool) -> None:
    """Whatever stands in the history, even after the clock was set back, a day is the longest wait."""
    history = lived(runs)
    history[-1] = structs.replace(history[-1], ran=ran)
    now = history[-1].start + ahead
    allowed = next_allowed(history, now)

    assert allowed is None or now < allowed <= now + DAY


@given(outcomes, st.floats(0, 10 * DAY))
def test_a_wish_lengthens_and_never_shortens(runs: list[tuple[bool, float]], wish: float) -> None:
    """`retry_after` can only move the next run back, and by a day at most."""
    history = lived(runs)
    now = history[-1].start + 1
    without = next_allowed(history, now) or now
    history[-1] = structs.replace(history[-1], not_before=now + wish)
    with_wish = next_allowed(history, now) or now

    assert with_wish == max(without, now + min(wish, LONGEST_RETRY_AFTER))


@pytest.mark.parametrize(
    ("outcomes", "pause"),
    [
        ([OK], 600),
        ([BAD], 600),
        ([BAD, BAD], 1200),
        ([BAD, BAD, BAD], 2400),
        ([BAD] * 6, 19200),
        ([BAD] * 7, LONGEST_COOLDOWN),
        ([BAD] * 100, LONGEST_COOLDOWN),
        ([BAD, BAD, OK], 600),
        ([BAD, OK, BAD], 600),
    ],
)
def test_the_cooldown_doubles_with_failures(outcomes: list[bool], pause: float) -> None:
    """600 s after a success or a first failure, then twice that with each further failure, 6 hours at most."""
    history = [Attempt(start=NOW - (len(outcomes) - 1 - number), ok=ok) for number, ok in enumerate(outcomes)]

    assert next_allowed(history, NOW, budget=1000) == NOW + pause
    assert next_allowed(history, NOW + pause - 1, budget=1000) == NOW + pause
    assert next_allowed(history, NOW + pause, budget=1000) is None


def test_what_could_not_start_is_no_login() -> None:
    """It uses up no budget and doubles nothing, yet waits the plain cool-down."""
    history = [Attempt(start=NOW, ran=False) for _ in range(20)]

    assert next_allowed(history, NOW) == NOW + COOLDOWN
    assert left_today(history, NOW) == 6


def test_settings_count() -> None:
    """Cool-down and budget are the file's; a budget of 0 allows nothing, and a long cool-down may pass 6 hours."""
    assert next_allowed([], NOW) is None
    assert next_allowed([], NOW, budget=0) == NOW + DAY
    assert next_allowed([Attempt(start=NOW)], NOW, cooldown=5) == NOW + 5
    assert next_allowed([Attempt(start=NOW)] * 3, NOW, cooldown=7 * 3600) == NOW + 7 * 3600
    assert next_allowed([Attempt(start=NOW - 3600), Attempt(start=NOW, ok=True)], NOW, budget=2) == NOW + DAY - 3600


def test_what_is_left_today() -> None:
    """Runs of the last 24 hours count, and it is never below zero."""
    history = [Attempt(start=NOW - DAY), Attempt(start=NOW - DAY + 1), Attempt(start=NOW, ok=True)]

    assert left_today(history, NOW) == 4
    assert left_today(history, NOW, budget=1) == 0


@pytest.mark.parametrize(
    ("code", "output", "result"),
    [
        (0, '{"cookie": "unb=1"}', NewCookie(Secret("unb=1"))),
        (0, '  {"cookie": "unb=1", "note": 5}\n', NewCookie(Secret("unb=1"))),
        (0, "{}", NothingToChange()),
        (0, "", Failed(Reason("hook_nothing"))),
        (0, " \n", Failed(Reason("hook_nothing"))),
        (0, "unb=1", Failed(Reason("hook_no_json"))),
        (0, '{"cookie": "unb=1"} trailing', NewCookie(Secret("unb=1"))),
        (0, "\udcff", Failed(Reason("hook_no_json"))),
        (0, "[]", Failed(Reason("hook_no_object", {"words": "list"}))),
        (0, '{"cookies": "x"}', Failed(Reason("hook_no_cookie"))),
        (0, '{"cookie": null}', Failed(Reason("hook_cookie_no_text"))),
        (0, '{"cookie": ""}', Failed(Reason("hook_cookie_no_text"))),
        (0, '{"cookie": ["unb=1"]}', Failed(Reason("hook_cookie_no_text"))),
        (0, '{"error": "captcha"}', Failed(words("captcha"))),
        (0, '{"error": ""}', Failed(Reason("hook_error_empty"))),
        (0, '{"error": "two\\nlines", "needs_human": true}', Failed(words("two\nlines"), needs_human=True)),
        (0, '{"error": "later", "retry_after": 900}', Failed(words("later"), retry_after=900.0)),
        (0, '{"error": "later", "retry_after": 1e99}', Failed(words("later"), retry_after=LONGEST_RETRY_AFTER)),
        (0, '{"error": "x", "retry_after": "1h"}', Failed(Reason("hook_retry_no_seconds"))),
        (0, '{"error": "x", "retry_after": true}', Failed(Reason("hook_retry_no_seconds"))),
        (0, '{"error": "x", "retry_after": -1}', Failed(Reason("hook_retry_no_seconds"))),
        (0, '{"error": 5}', Failed(Reason("hook_error_no_text"))),
        (0, '{"error": "no", "cookie": "unb=1"}', Failed(words("no"))),
        (3, '{"error": "no", "retry_after": 5, "needs_human": false}', Failed(words("no"), retry_after=5.0)),
        (3, '{"cookie": "unb=1"}', Failed(Reason("exit_code", {"status": 3}))),
        (3, "{}", Failed(Reason("exit_code", {"status": 3}))),
        (3, "trouble", Failed(Reason("exit_code", {"status": 3}))),
        (
            126,
            '{"error": "cannot be started: exec format error"}',
            Failed(Reason("hook_not_started", {"words": "exec format error"}), ran=False),
        ),
        (-9, '{"cookie": "unb=1"}', Failed(Reason("killed", {"words": "SIGKILL"}))),
        (-11, "", Failed(Reason("killed", {"words": "SIGSEGV"}))),
        (-99, "", Failed(Reason("killed_by_number", {"number": 99}))),
    ],
)
def test_what_a_hook_says(code: int, output: str, result: Result) -> None:
    """Every way to end has its meaning, and every wrong one its name."""
    assert understand(code, output.encode("utf-8", "surrogateescape")) == result


@given(st.integers(-64, 255), st.binary() | st.text().map(lambda text: json.dumps({"error": text}).encode()))
def test_anything_is_understood(code: int, output: bytes) -> None:
    """No output makes it raise, and a failure has its reason."""
    result = understand(code, output)

    assert not isinstance(result, Failed) or str(result.reason)
