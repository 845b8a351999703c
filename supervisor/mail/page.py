"""The next messages of many accounts behind the places where a reader is, merged. Shell (reads inboxes)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from xyfleet.supervisor.control import Text
from xyfleet.supervisor.mail.cursor import Place
from xyfleet.supervisor.mail.files import Files, Opened, Unreadable
from xyfleet.supervisor.mail.listing import rows_of


class Ask(NamedTuple):
    """An account, and where its reader is."""

    account: str
    place: Place
    inode: int | None = None
    """The file in which that is, if it was seen."""
    next: int | None = None
    """No further row has an earlier stamp, as far as was seen; None: nobody looked."""


class Given(NamedTuple):
    """A message to be given."""

    account: str
    row: int
    stamp: int
    data: bytes | None
    """JSON; None: it was deleted meanwhile."""


class Base(NamedTuple):
    """Where the rows of an account begin that were not given yet."""

    row: int
    stamp: int
    inode: int


class Page(NamedTuple):
    """What was found."""

    given: list[Given]
    """By stamp, and in each account by row."""
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
        base, last = _base(opened, ask)
        page.bases[ask.account] = base
        query = "SELECT row, stamp FROM messages WHERE row > ? AND row <= ? ORDER BY row LIMIT ?"
        found = opened.db.execute(query, (base.row, last, limit + 1)).fetchall()
    keys, stamp = [], base.stamp
    for row, own_stamp in found:
        stamp = max(stamp, own_stamp)  # whatever a file says: the order of rows is the order of giving
        keys.append(_Key(stamp, ask.account, row))
    return keys


def _base(opened: Opened, ask: Ask) -> tuple[Base, int]:
    """Return where the reader is in a file, and its last row: what is written meanwhile comes the next time."""
    (last,) = opened.db.execute("SELECT coalesce(max(row), 0) FROM messages").fetchone()
    row = ask.place.row
    if row is not None and ask.inode not in (None, opened.inode):
        row = 0  # another file: nothing of it was given
    if row is None:
        query = "SELECT min(+row) FROM messages WHERE stamp > ? AND row <= ?"
        (first,) = opened.db.execute(query, (ask.place.stamp, last)).fetchone()
        row = last if first is None else first - 1
    query = "SELECT stamp FROM messages WHERE row <= ? ORDER BY row DESC LIMIT 1"
    found = opened.db.execute(query, (row,)).fetchone()
    return Base(row, 0 if found is None else found[0], opened.inode), last


def _choose(files: Files, keys: dict[str, list[_Key]], limit: int, page: Page) -> None:
    """Fill the page with the first of the rows that were found."""
    chosen = sorted(key for some in keys.values() for key in some)[:limit]
    data: dict[str, dict[int, bytes]] = {}
    counts = dict.fromkeys(keys, 0)
    for key in chosen:
        counts[key.account] += 1
    for account, some in keys.items():
        try:
            data[account] = _data(files, account, [key.row for key in some[: counts[account]]], page.bases)
        except Unreadable as error:
            page.troubles[account] = error.why
            continue
        if len(some) > counts[account]:
            page.more[account] = some[counts[account]].stamp
    page.given.extend(
        Given(key.account, key.row, key.stamp, data[key.account].get(key.row)) for key in chosen if key.account in data
    )


def _data(files: Files, account: str, rows: Collection[int], bases: dict[str, Base]) -> dict[int, bytes]:
    if not rows:
        return {}
    with files.reading(account) as opened:
        if opened is None or opened.inode != bases[account].inode:
            return {}
        return {one.row: msgspec.json.encode(one.message) for one in rows_of(opened.db, account, list(rows))}
