"""The tables of an account's inbox, one SQLite file per account, for its writer and its readers. Pure.

The writer is the account's worker (`xyfleet.worker.storage.message_store`); the supervisor only reads.
"""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from xyfleet.worker.protocol import items, listed_orders
from xyfleet.worker.protocol.message import Message, rfc3339

VERSION: Final = 1
"""In `PRAGMA user_version`. A file with a higher one belongs to a newer xyfleet and is not touched."""

TABLES: Final = (
    """CREATE TABLE messages (
        row INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        stamp INTEGER NOT NULL,
        time INTEGER NOT NULL,
        conversation TEXT,
        item TEXT,
        sender TEXT,
        sender_name TEXT,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        own INTEGER NOT NULL,
        recovered INTEGER NOT NULL,
        state TEXT NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        raw BLOB NOT NULL
    )""",
    "CREATE INDEX messages_open ON messages (state, row) WHERE state IN ('waiting', 'calling', 'failed', 'parked')",
    "CREATE INDEX messages_talk ON messages (conversation, time)",
    "CREATE INDEX messages_stamp ON messages (stamp)",
    """CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        uuid TEXT NOT NULL UNIQUE,
        conversation TEXT NOT NULL,
        receiver TEXT,
        text TEXT NOT NULL,
        created INTEGER NOT NULL,
        reply_to TEXT,
        state TEXT NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        message_id TEXT,
        reason TEXT,
        settled INTEGER
    )""",
    "CREATE INDEX outbox_open ON outbox (state, number) WHERE state IN ('queued', 'sending', 'unknown')",
    "CREATE INDEX outbox_sent ON outbox (message_id) WHERE message_id IS NOT NULL",
    "CREATE TABLE pauses (conversation TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)
ADDED: Final = (
    ("messages", "platform", "INTEGER NOT NULL DEFAULT 0"),
    ("messages", "peer", "TEXT"),
    ("outbox", "automatic", "INTEGER NOT NULL DEFAULT 0"),
    ("outbox", "image", "TEXT"),
    ("outbox", "picture", "TEXT"),
    ("messages", "content_type", "INTEGER"),
    ("messages", "trade_order", "TEXT"),
    ("messages", "order_status", "TEXT"),
    ("messages", "role", "TEXT"),
    ("messages", "buyer", "TEXT"),
    ("messages", "traded", "INTEGER NOT NULL DEFAULT 0"),
    ("pauses", "handed", "INTEGER NOT NULL DEFAULT 0"),
    ("outbox", "behind", "INTEGER"),
    ("outbox", "pause", "INTEGER NOT NULL DEFAULT 0"),
)
"""Columns that came later, as table, name and type; a file of an older xyfleet gets them when it is opened."""
ADDED_INDEX: Final = "CREATE INDEX IF NOT EXISTS outbox_automatic ON outbox (conversation, created) WHERE automatic = 1"
ORDER_INDEX: Final = "CREATE INDEX IF NOT EXISTS messages_order ON messages (trade_order) WHERE trade_order IS NOT NULL"
OPEN_STATES: Final = ("waiting", "calling", "failed", "parked")
# The numbers of open messages are kept by the database itself: to count 100,000 at each commit would take 10 ms.
_UP: Final = "UPDATE tallies SET number = number + 1 WHERE state = new.state;"
_DOWN: Final = "UPDATE tallies SET number = number - 1 WHERE state = old.state;"
TALLIES: Final = (
    "CREATE TABLE tallies (state TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    *(
        f"INSERT INTO tallies SELECT '{state}', count(*) FROM messages"
        f" WHERE state IN ('waiting', 'calling', 'failed', 'parked') AND state = '{state}'"
        for state in OPEN_STATES
    ),
    f"CREATE TRIGGER tally_in AFTER INSERT ON messages BEGIN {_UP} END",
    f"CREATE TRIGGER tally_move AFTER UPDATE OF state ON messages WHEN old.state <> new.state BEGIN {_DOWN} {_UP} END",
    f"CREATE TRIGGER tally_out AFTER DELETE ON messages BEGIN {_DOWN} END",
)
"""How many messages are in each open state; a file of an older xyfleet gets this when it is opened."""
"""All times are milliseconds since the epoch.

* messages.stamp: when it was stored; grows from row to row. messages.time: when the server took it.
* messages.state: `kept` (not for a handler), `waiting` (for one), `calling` (a call began, its end is not on record),
  `done`, `failed` (all attempts failed), `parked` (a crash came in the middle of a call); `failed` and `parked` are
  dead letters, their `reason` says why. messages.raw: JSON.
* outbox.state: `queued`, `sending` (on its way, no answer yet), `sent`, `rejected` (by the server, final), `failed`
  (try-again answers, too many), `unknown` (whether it arrived was never learnt: it is not sent again).
  outbox.reply_to: id of the message that it answers.
* messages.platform: whether the platform wrote it, in whoever's name. messages.peer: user id of who is at the other
  end, where it was said. messages.trade_order, .order_status, .role, .buyer: what it says of an order.
  messages.traded: whether what it says of an order, and its content type, were read when it was stored; of a row of an
  older version they are read from its payload each time. outbox.automatic: whether the handler wanted it sent, not a
  person.
* outbox.image: path of an image that is sent instead of a text. outbox.picture: its address and size as JSON, once it
  was uploaded; its text is the address then.
* outbox.behind: number of the letter that it follows in one answer. outbox.pause: milliseconds to wait after that one
  has ended, or after its own making.
* pauses: conversations that their owner took over, and until when; pauses.handed: until when the handler gave one to a
  person.
* meta: `caught_up` (time up to which catching up has seen all), `floor` (time of the newest message that retention
  deleted: what is as old is not taken in again), `lost` (up to which time the file that was
  lost, whose place this one took, may have taken messages in),
  `skip:<conversation>` (the change of a conversation as of which catching up gave it up).
"""

# SQLite uses a partial index only where its very condition is in the query.
OPEN: Final = "state IN ('waiting', 'calling', 'failed', 'parked')"
ASKED: Final = "asked"
"""The reason of a waiting message that a person wants handled, whatever its age."""
LOST: Final = "inbox was lost"
"""The reason of a message that catching up brought into the place of an inbox that was lost."""
TAKEN_OVER: Final = "taken over"
"""The reason of a message that the handler was not asked about, or whose reply was dropped: its owner has written."""
HANDED_OVER: Final = "handed over"
"""The reason of a message that the handler was not asked about: it has given the conversation to a person."""
GROUP: Final = "a group talk"
"""The reason of a message that the handler was not asked about: a group's."""
OF_THIS_FLEET: Final = "from another account of this fleet"
"""The reason of a message that the handler was not asked about: two handlers would answer each other for ever."""
LATE_ORDER: Final = "a late order: the list of orders says whether it waits still"
"""The reason of a paid order that came too late to be believed: it may have been shipped or refunded meanwhile."""
LISTED: Final = "handed over from the list of orders"
"""The reason of a paid order that the handler was not asked about: the list has brought it."""
NOTICED: Final = "a notice of it was handed over before"
"""The reason of an order from the list that the handler was not asked about."""
STRANGE_ORDER: Final = "a late order, which the list of orders has in words that are not known: look into the app"
"""The reason of a dead letter: nobody knows whether it waits for shipment."""
NOT_WAITING: Final = "it came late, and is not waiting for shipment any more"
"""The reason of a paid order that the handler was not asked about: the list does not have it."""
TAKES_OVER: Final = "takes over"
"""The reason of an own message by which its owner did so."""
_OLD: Final = (
    "row, id, time, conversation, item, sender, sender_name, kind, text, own, recovered, state, attempt, reason"
)
COLUMNS: Final = f"{_OLD}, content_type, trade_order, order_status, role, buyer, traded, raw"
"""What `row_of` wants, in this order."""
_OLD_COLUMNS: Final = f"{_OLD}, NULL, NULL, NULL, NULL, NULL, 0, raw"


class Row(msgspec.Struct, frozen=True):
    """A message, and where it stands in its inbox."""

    row: int
    state: str
    reason: str | None
    message: Message


def columns(db: sqlite3.Connection) -> str:
    """Return what to ask an inbox for: one that its writer has not opened yet may be of an older version."""
    has_trades = any(row[1] == "traded" for row in db.execute("PRAGMA table_info(messages)"))
    return COLUMNS if has_trades else _OLD_COLUMNS


def row_of(account: str, found: sqlite3.Row | tuple[object, ...]) -> Row:
    """Return the `COLUMNS` of a row as values; what an older version did not read of its payload is read from that."""
    (
        row,
        id_,
        time,
        talk,
        item,
        sender,
        name,
        kind,
        text,
        own,
        recovered,
        state,
        attempt,
        reason,
        *trade,
        traded,
        raw,
    ) = found
    payload = msgspec.json.decode(raw) if isinstance(raw, bytes) else None
    content_type, order, status, role, buyer = trade
    message = msgspec.convert(
        {
            "account": account,
            "id": id_,
            "conversation": talk,
            "item": item,
            "sender": sender,
            "sender_name": name,
            "kind": kind,
            "text": text,
            "content_type": content_type,
            "order": order,
            "order_status": status,
            "role": role,
            "buyer": buyer,
            "time": rfc3339(int(str(time))),
            "own": bool(own),
            "recovered": bool(recovered),
            "attempt": attempt,
            "raw": payload,
        },
        Message,
    )
    if message.id.startswith(listed_orders.PREFIX):
        message = listed_orders.filled(message)
    filled = message if traded else _filled(message)
    return Row(int(str(row)), str(state), None if reason is None else str(reason), filled)


def _filled(message: Message) -> Message:
    """Return a message of an older version with what can be read from its payload."""
    again = items.again(message.raw, message.sender if message.own else None)
    if again is None:
        return message
    return msgspec.structs.replace(
        message,
        conversation=message.conversation or again.conversation or None,
        content_type=again.content_type,
        order=again.order,
        order_status=again.order_status,
        role=again.role,
        buyer=again.buyer,
    )
