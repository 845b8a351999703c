"""The newest messages of some accounts that fit a question, merged. Shell (reads inboxes)."""

from __future__ import annotations

import heapq
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.control import Text
from xyfleet.supervisor.mail.cursor import Cursor, Track
from xyfleet.supervisor.mail.files import Files, Unreadable
from xyfleet.worker.mail.message import Message
from xyfleet.worker.mail.schema import COLUMNS, Row, row_of

MOST_BYTES: Final = 16 * 2**20
"""Bytes of an answer's messages: when the newest are more, the older ones are left out."""
DEAD: Final = frozenset({"failed", "parked"})
"""States of dead letters."""

_CHUNK: Final = 200
"""Messages read at one time."""
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# The first condition is the index's own, word by word: SQLite uses a partial index only when it can prove it covers.
_OPEN: Final = "state IN ('waiting', 'calling', 'failed', 'parked') AND state IN ('failed', 'parked')"


class DeadLetter(Message, frozen=True, kw_only=True):
    """A message that the handler never answered, as listings show it."""

    state: str
    """`failed` or `parked`."""
    reason: str | None


class Question(NamedTuple):
    """Which messages are wanted."""

    limit: int
    since: int | None = None
    """Stored at that time (ms) or later."""
    failed: bool = False
    """Dead letters only."""
    conversation: str | None = None


class Listing(NamedTuple):
    """What was found."""

    lines: list[bytes]
    """The newest messages that fit, as JSON, by the time they were stored; the newest last."""
    cursor: Cursor
    """What comes after all that was there: whoever follows from it misses nothing."""
    troubles: dict[str, Text]
    """Why these accounts' messages could not be read."""


def since(text: str, now: int) -> int:
    """Return the time (ms) that an RFC 3339 time, or a span before `now` like `30m`, `2h`, `3d`, means. ValueError."""
    if found := re.fullmatch(r"([0-9]{1,9})([smhd])", text):
        return max(0, now - int(found[1]) * _UNITS[found[2]])
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no zone: put Z or an offset like +08:00 behind it")
    return max(0, round(time.timestamp() * 1000))


class _Key(NamedTuple):
    stamp: int
    account: str
    row: int


def listing(files: Files, accounts: Sequence[str], asked: Question, covered: int) -> Listing:
    """Answer a question; `covered` is the time (ms) up to which all is on disk that ever will be."""
    track, troubles = Track(Cursor(covered)), dict[str, Text]()
    newest: list[_Key] = []
    for account in accounts:
        try:
            keys = _look(files, account, asked, track, newest[0].stamp if len(newest) == asked.limit else 0)
        except Unreadable as error:
            troubles[account] = error.why
            track.unread(account)
            continue
        for one in keys:
            (heapq.heappush if len(newest) < asked.limit else heapq.heappushpop)(newest, one)
    lines = list(_lines(files, sorted(newest, reverse=True), troubles))
    return Listing(lines[::-1], track.cursor(), troubles)


def _look(files: Files, account: str, asked: Question, track: Track, least: int) -> list[_Key]:
    """Return the keys of an account's newest fitting rows, and note how far its rows go."""
    with files.reading(account) as opened:
        if opened is None:
            return []
        last = opened.db.execute("SELECT row, stamp FROM messages ORDER BY row DESC LIMIT 1").fetchone()
        if last is None:
            return []
        row, stamp_of_last = last
        track.found(account, row, stamp_of_last, None)
        where, values = _conditions(asked, least, row)
        # Dead letters and talks are few of many: their own indexes find them, not the one that has the order.
        stamp = "+stamp" if asked.failed or asked.conversation is not None else "stamp"
        query = (
            f"SELECT stamp, row FROM messages WHERE {stamp} >= ? AND {where} ORDER BY {stamp} DESC, row DESC LIMIT ?"
        )
        return [_Key(stamp, account, row) for stamp, row in opened.db.execute(query, (*values, asked.limit))]


def _conditions(asked: Question, least: int, last: int) -> tuple[str, list[object]]:
    where, values = ["row <= ?"], list[object]([max(asked.since or 0, least), last])
    if asked.conversation is not None:
        where.append("conversation = ?")
        values.append(asked.conversation)
    if asked.failed:
        where.append(_OPEN)
    return " AND ".join(where), values


def _lines(files: Files, keys: Sequence[_Key], troubles: dict[str, Text]) -> Iterator[bytes]:
    """Yield the messages as long as they fit into an answer. Rows that were deleted meanwhile are left out."""
    room = MOST_BYTES
    for at in range(0, len(keys), _CHUNK):
        chunk = keys[at : at + _CHUNK]
        found = dict[_Key, bytes]()
        for account in dict.fromkeys(one.account for one in chunk):
            try:
                found |= _read(files, account, [one for one in chunk if one.account == account])
            except Unreadable as error:
                troubles[account] = error.why
        for line in (found[one] for one in chunk if one in found):
            room -= len(line)
            if room < 0:
                return
            yield line


def _read(files: Files, account: str, keys: Sequence[_Key]) -> dict[_Key, bytes]:
    with files.reading(account) as opened:
        rows = [] if opened is None else list(rows_of(opened.db, account, [one.row for one in keys]))
    by_row = {one.row: one for one in keys}
    return {by_row[row.row]: line_of(row) for row in rows}


def rows_of(db: sqlite3.Connection, account: str, rows: Sequence[int]) -> Iterable[Row]:
    """Return those of an account's rows that are still there, in no order."""
    marks = ", ".join("?" * len(rows))
    return [row_of(account, one) for one in db.execute(f"SELECT {COLUMNS} FROM messages WHERE row IN ({marks})", rows)]


def line_of(row: Row) -> bytes:
    """Return a message as JSON; a dead letter with its state and reason."""
    message: Message = row.message
    if row.state in DEAD:
        message = DeadLetter(**msgspec.structs.asdict(message), state=row.state, reason=row.reason)
    return msgspec.json.encode(message)
