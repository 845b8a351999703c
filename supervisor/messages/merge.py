"""The next messages of many accounts behind the places where a reader is, merged. Shell (reads inboxes)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.messages.inbox_files import Files, Unreadable
from xyfleet.supervisor.messages.query import TooLong, read_lines
from xyfleet.worker.storage.schema import Row

MOST_BYTES: Final = 4 * 2**20
"""Bytes of a page's messages, unless a single one has more."""
_NO_LIMIT: Final = 2**62


class Ask(NamedTuple):
    """An account, and where its reader is."""

    account: str
    place: int
    """The stamp up to which all was given."""
    inode: int | None = None
    """The file in which that is, if it was seen."""
    next: int | None = None
    """No further row has an earlier stamp, as far as was seen; None: nobody looked."""


class Given(NamedTuple):
    """A message to be given."""

    account: str
    stamp: int
    data: bytes | None
    """JSON; None: it was deleted meanwhile."""


class Base(NamedTuple):
    """Where the rows of an account begin that were not given yet."""

    stamp: int
    """Of the last row before them; 0: there is none."""
    inode: int


class Page(NamedTuple):
    """What was found."""

    given: list[Given]
    """By stamp, which grows from row to row of an account."""
    bases: dict[str, Base]
    """Of each account that was looked at and has a file."""
    more: dict[str, int]
    """Accounts that have further rows, and the stamp of the first of them."""
    troubles: dict[str, Text]


class _Key(NamedTuple):
    stamp: int
    account: str
    row: int


def read(files: Files, asks: Sequence[Ask], limit: int) -> Page:
    """Return the `limit` first messages behind the places asked for."""
    page = Page([], {}, {}, {})
    keys: dict[str, list[_Key]] = {}
    bound: int | None = None
    for ask in sorted(asks, key=lambda one: one.next or 0):
        if bound is not None and ask.next is not None and ask.next > bound:
            page.more[ask.account] = ask.next  # not its turn: not even opened
            continue
        try:
            found = _keys(files, ask, page, limit)
        except Unreadable as error:
            page.troubles[ask.account] = error.why
            continue
        keys[ask.account] = found if bound is None else _up_to(found, bound)
        if sum(map(len, keys.values())) > 4 * limit + len(keys):
            bound = sorted(key.stamp for some in keys.values() for key in some)[limit - 1]
            keys = {account: _up_to(some, bound) for account, some in keys.items()}
    _choose(files, keys, limit, page)
    return page


def _up_to(keys: list[_Key], bound: int) -> list[_Key]:
    """Return the keys that may be among the first, and the one behind them."""
    fitting = sum(key.stamp <= bound for key in keys)  # stamps grow from row to row
    return keys[: fitting + 1]


def _keys(files: Files, ask: Ask, page: Page, limit: int) -> list[_Key]:
    """Return the keys of an account's next rows, one more than are wanted, and note where they begin."""
    with files.reading(ask.account) as opened:
        if opened is None:
            return []
        place = ask.place if ask.inode in (None, opened.inode) else -1  # of another file nothing was given
        # First what was given: a row that comes in between and belongs to it, late as it is, is found the next time.
        query = "SELECT coalesce(max(stamp), 0) FROM messages WHERE stamp <= ?"
        (stamp,) = opened.db.execute(query, (place,)).fetchone()
        page.bases[ask.account] = Base(stamp, opened.inode)
        query = "SELECT stamp, row FROM messages WHERE stamp > ? ORDER BY stamp LIMIT ?"
        return [_Key(stamp, ask.account, row) for stamp, row in opened.db.execute(query, (place, limit + 1))]


def _choose(files: Files, keys: dict[str, list[_Key]], limit: int, page: Page) -> None:
    """Fill the page with the first of the rows that were found, with fewer if they are long."""
    chosen = sorted(key for some in keys.values() for key in some)[:limit]
    while (data := _data(files, chosen, page)) is None:
        chosen = chosen[: len(chosen) // 2]
    counts = Counter(key.account for key in chosen)
    for account, some in keys.items():
        if account not in page.troubles and len(some) > counts[account]:
            page.more[account] = some[counts[account]].stamp
    page.given.extend(
        Given(key.account, key.stamp, data[key.account].get(key.row)) for key in chosen if key.account in data
    )


def _data(files: Files, chosen: Sequence[_Key], page: Page) -> dict[str, dict[int, bytes]] | None:
    """Return the rows' JSON by account and row; None: they are too long for one page."""
    data: dict[str, dict[int, bytes]] = {}
    room = MOST_BYTES
    for account in dict.fromkeys(key.account for key in chosen):
        rows = [key.row for key in chosen if key.account == account]
        try:
            data[account] = _lines(files, account, rows, page.bases[account], room if len(chosen) > 1 else _NO_LIMIT)
        except Unreadable as error:
            page.troubles[account] = error.why
            continue
        except TooLong:
            return None
        room -= sum(map(len, data[account].values()))
    return data


def _lines(files: Files, account: str, rows: Sequence[int], base: Base, room: int) -> dict[int, bytes]:
    with files.reading(account) as opened:
        if opened is None or opened.inode != base.inode:
            return {}
        return read_lines(opened.db, account, rows, _line, room)


def _line(row: Row) -> bytes:
    return msgspec.json.encode(row.message)
