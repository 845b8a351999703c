"""Faults: reading one, when it is in force, and which one strikes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.simulator.fault_kinds import KINDS
from xyfleet.supervisor.simulator.faults import BadFault, Fault, FaultBook, parse

ME = "2200000000001"


def fault(kind: str = "mute", origin: float = 100.0, **entry: Any) -> Fault:
    """Read a fault; `for_` stands for `for`."""
    return parse({"kind": kind, **{name.rstrip("_"): value for name, value in entry.items()}}, origin)


def problems(entry: object) -> list[str]:
    """Return what is wrong with an entry."""
    with pytest.raises(BadFault) as caught:
        parse(entry, 0.0)
    return caught.value.problems


def test_defaults_make_a_lasting_fault_for_everybody() -> None:
    """With nothing but a kind it strikes all accounts, from now on, for ever."""
    lasting = fault()

    assert lasting.matches(ME)
    assert lasting.since(100.0) == 100.0
    assert lasting.since(1e9) == 100.0
    assert not lasting.over(1e9)


def test_at_counts_from_the_origin() -> None:
    """Before `at` nothing is in force."""
    later = fault(at=5)

    assert later.since(104.9) is None
    assert later.since(105.0) == 105.0


def test_for_ends_the_window() -> None:
    """After `for` seconds it is over."""
    short = fault(at=5, for_=2)

    assert short.since(106.9) == 105.0
    assert short.since(107.0) is None
    assert not short.over(106.9)
    assert short.over(107.0)


def test_every_begins_again() -> None:
    """Windows come again, each with its own beginning, and never end."""
    again = fault(at=5, for_=2, every=10)

    assert again.since(106.0) == 105.0
    assert again.since(108.0) is None
    assert again.since(116.0) == 115.0
    assert not again.over(1e9)


@given(
    st.floats(0, 100), st.floats(0.1, 50), st.floats(0.01, 0.99), st.floats(0, 1000)
)  # at, every, for as a share of it, moment
def test_window_contains_the_moment(at: float, every: float, share: float, moment: float) -> None:
    """Whenever a fault is in force, the window's beginning is at or before now, and less than `for` ago."""
    windows = fault(origin=0.0, at=at, every=every, for_=every * share)
    start = windows.since(moment)
    if start is not None:
        assert at <= start <= moment
        assert moment - start < every * share
    elif moment >= at:
        assert (moment - at) % every >= every * share - 1e-6


def test_count_ends_it() -> None:
    """After `count` strikes it strikes no more."""
    book = FaultBook()
    book.add(fault(count=2), 100.0)
    struck = [book.strike({"mute"}, ME, 100.0) is not None for _ in range(3)]

    assert struck == [True, True, False]


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        ("*", True),
        (ME, True),
        (int(ME), True),
        ("22000*", True),
        (["1", "2200000000??1"], True),
        ("2", False),
        ("?", False),
    ],
)
def test_unb_is_a_pattern_or_a_list(pattern: object, hit: bool) -> None:
    """User ids are chosen as file names are; a number is taken as its text."""
    assert fault(unb=pattern).matches(ME) is hit


def test_newest_strikes_first() -> None:
    """Of several that fit, the one added last is chosen, and only it is counted."""
    book = FaultBook()
    older, newer, foreign = fault(), fault("late", seconds=1), fault(unb="1")
    for one in (older, newer, foreign):
        book.add(one, 100.0)

    assert book.strike({"mute", "late"}, ME, 100.0) is newer
    assert (older.strikes, newer.strikes, foreign.strikes) == (0, 1, 0)
    assert book.strike({"risk"}, ME, 100.0) is None


def test_connections_chooses_by_age() -> None:
    """`live` takes connections older than the window, `new` the others, `all` both."""
    chosen = {
        (which, opened): fault(connections=which).takes(opened, 100.0)
        for which in ("live", "new", "all")
        for opened in (99.0, 100.0)
    }

    assert [key for key, taken in chosen.items() if taken] == [
        ("live", 99.0),
        ("new", 100.0),
        ("all", 99.0),
        ("all", 100.0),
    ]


def test_strike_asks_for_the_connection_when_told_of_one() -> None:
    """A connection that opened in the window is not one of the `live` ones."""
    book = FaultBook()
    book.add(fault(connections="live"), 100.0)

    assert book.strike({"mute"}, ME, 105.0, opened=101.0) is None
    assert book.strike({"mute"}, ME, 105.0, opened=99.0) is not None


def test_once_spares_what_was_issued_later() -> None:
    """`once` refuses only tokens older than the window; without it all of them."""
    book = FaultBook()
    book.add(fault("reg_401", once=True), 100.0)

    assert book.strike({"reg_401"}, ME, 105.0, issued=100.0) is None
    assert book.strike({"reg_401"}, ME, 105.0, issued=99.9) is not None
    book.add(fault("reg_401"), 100.0)

    assert book.strike({"reg_401"}, ME, 105.0, issued=100.0) is not None


def test_remove_forgets_one_or_all() -> None:
    """Removing returns what was removed; ids are never used twice."""
    book = FaultBook()
    first, second = fault(), fault()
    ids = [book.add(first, 100.0), book.add(second, 100.0)]

    assert book.remove(ids[0]) == [first]
    assert book.remove(ids[0]) == []
    assert list(book) == [second]
    assert book.remove(None) == [second]
    assert book.add(fault(), 100.0) not in ids


def test_add_forgets_what_is_over() -> None:
    """The book does not grow with faults that can never strike again."""
    book = FaultBook()
    short, act, spent = fault(for_=1), fault("close"), fault(count=1)
    for one in (short, act, spent):
        book.add(one, 100.0)
    book.strike({"mute"}, ME, 100.0)
    book.strike({"mute"}, ME, 100.0)
    act.strikes = 1
    kept = fault()
    book.add(kept, 102.0)

    assert list(book) == [kept]


def test_act_on_live_connections_is_momentary() -> None:
    """It is over once done, unless `every` repeats it; on new connections it lasts."""
    once, again, new = fault("close"), fault("close", every=5), fault("close", connections="new")

    assert once.momentary
    assert not once.over(1e9)
    for one in (once, again, new):
        one.strikes = 1
    assert once.over(100.0)
    assert not again.over(1e9)
    assert not new.over(1e9)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("mute", ["mapping"]),
        (["mute"], ["mapping"]),
        ({}, ["kind is missing"]),
        ({"kind": "mut"}, ["unknown kind mut; did you mean mute?"]),
        ({"kind": "xyz"}, ["unknown kind xyz"]),
        ({"kind": "late"}, ["seconds is missing"]),
        ({"kind": "mute", "seconds": 1}, ["unknown key seconds"]),
        ({"kind": "mute", "conections": "live"}, ["unknown key conections; did you mean connections?"]),
        ({"kind": "mute", "at": -1}, ["at: must be a number of seconds"]),
        ({"kind": "mute", "for": 0}, ["for: must be a number above zero"]),
        ({"kind": "mute", "count": 0}, ["count: must be a whole number"]),
        ({"kind": "mute", "connections": "old"}, ["connections: must be one of: live, new, all"]),
        ({"kind": "mute", "unb": []}, ["unb: must be a user id"]),
        ({"kind": "mute", "unb": True}, ["unb: must be a user id"]),
        ({"kind": "mute", "unb": {"a": 1}}, ["unb: must be a user id"]),
        ({"kind": "mute", "after": 1}, ["after: has no meaning"]),
        ({"kind": "mute", "every": 5}, ["every: needs a shorter `for`"]),
        ({"kind": "mute", "every": 5, "for": 5}, ["every: needs a shorter `for`"]),
        ({"kind": "close", "every": 5, "connections": "new"}, ["every: needs a shorter `for`"]),
        ({"kind": "close", "code": 1015}, ["code: no close frame may carry 1015"]),
        ({"kind": "refuse", "unb": ME}, ["unb: must be * here"]),
        ({"kind": "half_open", "unb": ME}, ["unb: must be * here"]),
        ({"kind": "refuse", "connections": "live"}, ["connections: must be new, or all"]),
        ({"kind": "risk", "connections": "live"}, ["connections: has no meaning"]),
        ({"kind": "late", "at": "x", "foo": 1}, ["at: ", "seconds is missing", "unknown key foo"]),
    ],
)
def test_wrong_entries_are_refused_with_every_problem(entry: object, words: list[str]) -> None:
    """Each problem of an entry is named, with what was perhaps meant."""
    found = problems(entry)

    assert len(found) == len(words), found
    for problem, expected in zip(found, words, strict=True):
        assert problem.startswith(expected) or expected in problem


def test_error_text_joins_the_problems() -> None:
    """The exception's own text has them all."""
    with pytest.raises(BadFault, match=r"seconds is missing; unknown key foo"):
        parse({"kind": "late", "foo": 1}, 0.0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if ... not in dict(kind.params.values()).values()])
def test_every_kind_works_without_settings(kind: Any) -> None:
    """A kind whose settings all have defaults can be named alone."""
    plain = fault(kind.name)

    assert plain.kind is kind
    assert plain.connections == kind.connections
