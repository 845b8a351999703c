"""The newest messages of some accounts that fit a question, merged. Shell (reads inboxes)."""

from __future__ import annotations

import heapq
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.messages.inbox_files import Files, Unreadable
from xyfleet.worker.protocol.listed_orders import PREFIX
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.storage.schema import Row, columns, row_of

MOST_BYTES: Final = 16 * 2**20
"""Bytes of an answer's messages: when the newest are more, the older ones are left out."""
DEAD: Final = frozenset({"failed", "parked"})
"""States of dead letters."""

_LAST: Final = "SELECT row FROM messages ORDER BY row DESC LIMIT 1"
_CHUNK: Final = 200
"""Messages read at one time."""
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# The first condition is the index's own, word by word: SQLite uses a partial index only when it can prove it covers.
_OPEN: Final = "state IN ('waiting', 'calling', 'failed', 'parked') AND state IN ('failed', 'parked')"


class TooLong(Exception):
    """Rows take more room than there is."""


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
    ends: dict[str, int]
    """The last row of each inbox that was looked at."""
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


def last_row(files: Files, account: str) -> int:
    """Return the number of an account's newest row, 0 = none. Raises `Unreadable`."""
    with files.reading(account) as opened:
        found = None if opened is None else opened.db.execute(_LAST).fetchone()
    return 0 if found is None else int(found[0])


def listing(files: Files, accounts: Sequence[str], asked: Question) -> Listing:
    """Answer a question."""
    ends, troubles = dict[str, int](), dict[str, Text]()
    newest: list[_Key] = []
    for account in accounts:
        try:
            keys = _look(files, account, asked, ends, newest[0].stamp if len(newest) == asked.limit else 0)
        except Unreadable as error:
            troubles[account] = error.why
            continue
        for one in keys:
            (heapq.heappush if len(newest) < asked.limit else heapq.heappushpop)(newest, one)
    lines = list(_lines(files, sorted(newest, reverse=True), troubles))
    return Listing(lines[::-1], ends, troubles)


def _look(files: Files, account: str, asked: Question, ends: dict[str, int], least: int) -> list[_Key]:
    """Return the keys of an account's newest fitting rows, and note how far its rows go."""
    with files.reading(account) as opened:
        if opened is None:
            return []
        last = opened.db.execute(_LAST).fetchone()
        if last is None:
            return []
        row = ends[account] = int(last[0])
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
    room, at, size = MOST_BYTES, 0, _CHUNK
    while at < len(keys) and size:
        chunk = keys[at : at + size]
        try:
            found = _read(files, chunk, troubles, room)
        except TooLong:
            size //= 2  # only the newer ones of them fit, perhaps
            continue
        yield from (found[one] for one in chunk if one in found)
        room -= sum(map(len, found.values()))
        at += size


def _read(files: Files, keys: Sequence[_Key], troubles: dict[str, Text], room: int) -> dict[_Key, bytes]:
    found = dict[_Key, bytes]()
    for account in dict.fromkeys(one.account for one in keys):
        by_row = {one.row: one for one in keys if one.account == account}
        try:
            with files.reading(account) as opened:
                lines = {} if opened is None else read_lines(opened.db, account, list(by_row), line_of, room)
        except Unreadable as error:
            troubles[account] = error.why
            continue
        found |= {by_row[row]: line for row, line in lines.items()}
        room -= sum(map(len, lines.values()))
    return found


def read_lines(
    db: sqlite3.Connection, account: str, rows: Sequence[int], line: Callable[[Row], bytes], room: int
) -> dict[int, bytes]:
    """
    Return as JSON those of an account's rows that are still there, by number. One at a time: a payload may be long.

    Raises:
        TooLong: they have more than `room` bytes.
    """
    lines: dict[int, bytes] = {}
    marks = ", ".join("?" * len(rows))
    for found in db.execute(f"SELECT {columns(db)} FROM messages WHERE row IN ({marks})", rows):
        row = _row_of(account, found)
        lines[row.row] = line(row)
        room -= len(lines[row.row])
        if room < 0:
            raise TooLong
    return lines


_ID: Final = 1
"""Where a message's id is among the columns."""


def _row_of(account: str, found: tuple[object, ...]) -> Row:
    """Return a row whose payload is still JSON: to take it apart would cost ten times its memory."""
    *others, traded, payload = found
    said = traded and not str(others[_ID]).startswith(PREFIX)  # whether the columns say all
    row = row_of(account, (*others, traded, None if said else payload))
    if not isinstance(payload, bytes):
        return row
    raw = msgspec.Raw(msgspec.json.format(payload, indent=-1))  # Checks it, too.
    return msgspec.structs.replace(row, message=msgspec.structs.replace(row.message, raw=raw))


def line_of(row: Row) -> bytes:
    """Return a message as JSON; a dead letter with its state and reason."""
    message: Message = row.message
    if row.state in DEAD:
        message = DeadLetter(**msgspec.structs.asdict(message), state=row.state, reason=row.reason)
    return msgspec.json.encode(message)
