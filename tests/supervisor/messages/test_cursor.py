"""Cursors over all accounts: nothing is lost, nothing comes twice, and none is long."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xyfleet.supervisor.messages.cursor import MOST, BadCursor, Cursor, Track, decode, encode, key

GRACE = 10
NAMES = ("a", "b", "c", "d", "e")

Step = tuple[Any, ...]


class Fleet:
    """Accounts whose rows have growing stamps, some of them late; a row is (account, number)."""

    def __init__(self) -> None:
        self.now = 1000
        self.stamps: dict[str, list[int]] = {name: [] for name in NAMES}
        self.broken: set[str] = set()

    def write(self, account: str, lateness: int) -> None:
        """A row appears whose stamp is up to `GRACE` older than now, but later than its neighbour's."""
        stamps = self.stamps[account]
        stamps.append(max(self.now - lateness, stamps[-1] + 1 if stamps else 0))

    def behind(self, account: str, place: int) -> list[tuple[int, str, int]]:
        """Return (stamp, account, row) of what is behind a place."""
        return [(stamp, account, row) for row, stamp in enumerate(self.stamps[account], 1) if stamp > place]


class Event(NamedTuple):
    """A row that was given, and the cursor behind it."""

    row: tuple[str, int]
    cursor: str


class Session:
    """A reader over one connection: what `xyfleet.supervisor.messages.subscription` does, without files."""

    def __init__(self, fleet: Fleet, cursor: str, most: int) -> None:
        self.fleet = fleet
        self.track = Track(decode(cursor), most)
        self.crowded = False

    def read(self, limit: int) -> list[Event]:
        """Look at all accounts, and give up to `limit` rows."""
        found = []
        for name in NAMES:
            if name in self.fleet.broken:
                self.track.unread(name)
                continue
            behind = self.fleet.behind(name, self.track.place(name))
            last = max((one for one in self.fleet.stamps[name] if one <= self.track.place(name)), default=0)
            self.track.found(name, last, behind[0][0] if behind else None)
            found += behind
        found.sort()
        events = [self._give(found, i) for i in range(min(limit, len(found)))]
        self._advance(found, len(events))
        return events

    def _give(self, found: list[tuple[int, str, int]], i: int) -> Event:
        stamp, account, row = found[i]
        later = next((s for s, a, _ in found[i + 1 :] if a == account), None)
        self.track.given(account, stamp, later)
        self._advance(found, i + 1)
        return Event((account, row), encode(self.track.cursor()))

    def _advance(self, found: list[tuple[int, str, int]], i: int) -> None:
        ceiling = self.fleet.now - GRACE
        self.track.advance(min(ceiling, min((s for s, _, _ in found[i:]), default=ceiling + 1) - 1))
        self.crowded = self.crowded or self.track.crowded


def stories() -> st.SearchStrategy[list[Step]]:
    """Return what may happen: rows, time, whole and cut readings, files that can't be read for a while."""
    return st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.sampled_from(NAMES), st.integers(0, GRACE - 1)),
            st.tuples(st.just("pass"), st.integers(1, 3 * GRACE)),
            st.tuples(st.just("read"), st.integers(1, 5)),
            st.tuples(st.just("cut"), st.integers(1, 5), st.integers(0, 5)),
            st.tuples(st.just("break"), st.sampled_from(NAMES)),
            st.tuples(st.just("mend")),
        ),
        max_size=60,
    )


class Reader:
    """Somebody who takes events, and comes back with the cursor of the last one after a broken connection."""

    def __init__(self, fleet: Fleet, most: int) -> None:
        self.fleet, self.most = fleet, most
        self.taken: list[tuple[str, int]] = []
        self.cursor = encode(Cursor(fleet.now - GRACE))
        self.crowded = False
        self.connect()

    def connect(self) -> None:
        """Begin a connection where the last one ended."""
        self.session = Session(self.fleet, self.cursor, self.most)

    def read(self, limit: int, arrived: int | None = None) -> None:
        """Take events; only the first `arrived` ones come through."""
        for event in self.session.read(limit)[:arrived]:
            self.taken.append(event.row)
            self.cursor = event.cursor
        self.crowded = self.crowded or self.session.crowded


def play(story: list[Step], most: int) -> Reader:
    """Carry a story out, and read to the end."""
    fleet = Fleet()
    reader = Reader(fleet, most)
    for step in [*story, ("mend",), ("cut", 1, 0), ("read", 10_000)]:
        match step:
            case ("write", account, lateness):
                fleet.write(account, lateness)
            case ("pass", span):
                fleet.now += span
            case ("read", limit):
                reader.read(limit)
            case ("cut", limit, arrived):
                reader.read(limit, arrived)
                reader.connect()
            case ("break", account):
                fleet.broken.add(account)
            case ("mend",):
                fleet.broken.clear()
    return reader


def rows(fleet: Fleet) -> list[tuple[str, int]]:
    """Return all rows there are."""
    return sorted((name, row) for name, stamps in fleet.stamps.items() for row in range(1, len(stamps) + 1))


@given(stories())
@settings(max_examples=300, deadline=None)
def test_every_row_comes_exactly_once(story: list[Step]) -> None:
    """Whatever is written, read and cut off: who comes back with his last cursor gets all, once, each in its order."""
    reader = play(story, most=len(NAMES))

    assert sorted(reader.taken) == rows(reader.fleet)
    for name in NAMES:
        own = [row for account, row in reader.taken if account == name]
        assert own == sorted(own)


@given(stories())
@settings(max_examples=300, deadline=None)
def test_no_row_is_lost_by_a_crowded_cursor(story: list[Step]) -> None:
    """With fewer places than busy accounts rows may come again, but each one comes."""
    reader = play(story, most=1)

    assert set(reader.taken) == set(rows(reader.fleet))
    if not reader.crowded:
        assert len(reader.taken) == len(rows(reader.fleet))


@given(st.integers(0, 2**62), st.dictionaries(st.text(max_size=9).map(key), st.integers(0, 2**47), max_size=MOST))
def test_a_cursor_is_what_its_text_says(time: int, found: dict[bytes, int]) -> None:
    """What was put in comes out, and it is always short and fit for a header."""
    text = encode(Cursor(time, found))

    assert decode(text) == Cursor(time, found)
    assert len(text) <= 2100
    assert text.replace("-", "a").replace("_", "a").isalnum()


def test_the_length_of_a_cursor_has_a_bound() -> None:
    """A fleet of any size, all accounts busy at one moment, has no longer cursor; and quiet again, a short one."""
    track = Track(Cursor(0))
    for number in range(2000):
        track.given(f"account-{number:04}", 1000 + number, None)

    assert track.crowded
    assert len(encode(track.cursor())) <= 2100

    track.advance(10**6)

    assert not track.crowded
    assert len(encode(track.cursor())) < 30


def test_an_account_keeps_its_place_while_the_time_passes_its_rows() -> None:
    """One that nobody could look at, and one whose next row is not given yet, to the millisecond."""
    track = Track(Cursor(100))
    track.unread("a")
    track.found("b", 20, 101)
    assert track.cursor() == Cursor(100)

    track.advance(101)
    track.found("b", 20, 101)

    assert track.cursor() == Cursor(101, {key("a"): 100, key("b"): 20})


def test_a_crowded_cursor_leaves_the_latest_out() -> None:
    """Whose next row is farthest has no place, and the time goes back to before that row."""
    track = Track(Cursor(100), most=1)
    for number in range(20, 0, -1):
        track.found(f"a{number}", 2, 40 + number)

    assert track.crowded
    assert track.cursor() == Cursor(41, {key("a1"): 2})


@given(st.binary(max_size=60))
def test_nonsense_is_no_cursor(data: bytes) -> None:
    """Text of other origin is refused."""
    with pytest.raises(BadCursor):
        decode(data.decode("latin-1"))


@given(st.randoms(use_true_random=False))
def test_a_damaged_cursor_is_refused(rng: random.Random) -> None:
    """One that was cut or changed on its way is not taken for another one."""
    text = encode(Cursor(1_767_323_045_000, {key("a"): 7}))
    at = rng.randrange(len(text))
    for damaged in (text[:at], text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]):
        with pytest.raises(BadCursor):
            decode(damaged)
