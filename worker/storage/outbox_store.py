"""The outbox half of an account's store: what is to be sent, and what became of it. Shell (SQLite).

Each method is an operation (`xyfleet.worker.storage.operations`): the transaction around it is the writer's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from xyfleet.worker.protocol.im_calls import Picture
from xyfleet.worker.protocol.message import TALK
from xyfleet.worker.storage import handler_pause, receivers
from xyfleet.worker.storage.results import MOST_QUEUED, LetterPart, OutgoingMessage, Queued, ReplyBound, Settled
from xyfleet.worker.storage.schema import ASKED, Row

_TALK: Final = f"kind IN ({', '.join(repr(kind) for kind in sorted(TALK))})"
_NO_TALK: Final = f"NOT {_TALK}"
_COLUMNS: Final = (
    "number, uuid, conversation, receiver, text, reply_to, state, attempt, message_id, reason, created,"
    f" EXISTS (SELECT 1 FROM messages WHERE id = outbox.reply_to AND {_TALK}), image, picture, behind, pause"
)
# SQLite uses a partial index only where its very condition is in the query.
_OPEN: Final = "state IN ('queued', 'sending', 'unknown')"
ECHO_SLACK: Final = 300_000
"""Milliseconds that the server's clock may differ from ours when an echo proves a letter sent."""
NOT_SENT: Final = "its reply was not sent: "
"""The reason of a dead letter that the handler has answered, before why."""
NEVER_LEARNT: Final = "it was never learnt whether its reply arrived"
"""The same; its reply's echo makes it no dead letter again."""


class OutboxStore:
    """The outbox of a store."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        """For whoever makes the transactions."""

    def queue(
        self,
        uuid: str,
        conversation: str,
        receiver: str | None,
        text: str,
        now: int,
        *,
        automatic: bool = False,
        image: str | None = None,
    ) -> Queued:
        """
        Put a text into the outbox. With a uuid that is there already, return that letter.

        Args:
            uuid: Never used before.
            receiver: User id; None: whoever wrote last in that conversation.
            now: Milliseconds.
            image: Path of an image to be sent instead of the text.
        """
        held = self._letter("uuid = ?", uuid)
        if held is not None:
            return Queued(held)
        receiver = receiver or receivers.writer(self.db, conversation)
        if receiver is None:
            return Queued(refused="nobody")
        if self.unsent() >= MOST_QUEUED:
            return Queued(refused="full")
        number = self._put(uuid, conversation, receiver, text, None, now, automatic=automatic, image=image)
        return Queued(self.letter(number))

    def uploaded(self, number: int, picture: Picture) -> None:
        """Note where a letter's image is: from now on it is not uploaded again, and its echo has this address."""
        change = "UPDATE outbox SET picture = ?, text = ? WHERE number = ? AND image IS NOT NULL AND picture IS NULL"
        self.db.execute(change, (msgspec.json.encode(picture).decode(), picture.url, number))

    def rest(self, number: int, until: int, now: int) -> None:
        """Have a queued letter wait until a time (ms): other conversations' letters pass it."""
        change = (
            "UPDATE outbox SET behind = NULL, created = min(created, ?), pause = max(0, ? - min(created, ?))"
            " WHERE number = ? AND state = 'queued'"
        )
        self.db.execute(change, (now, until, now, number))

    def unsent(self) -> int:
        """Return how many letters are queued or on their way."""
        query = f"SELECT count(*) FROM outbox WHERE {_OPEN} AND state IN ('queued', 'sending')"
        return int(self.db.execute(query).fetchone()[0])

    def letter(self, number: int) -> OutgoingMessage | None:
        """Return a letter as it stands."""
        return self._letter("number = ?", number)

    def next_queued(self, now: int, *, uploading: bool = False) -> OutgoingMessage | None:
        """
        Return the oldest letter that is to be sent, with the time from when on it may go.

        One that rests, because it follows another one after a pause or can't be sent yet, is passed over for other
        conversations' letters; what is behind it in its own conversation stays there. While an image is `uploading`, so
        is every letter whose image has yet to be.
        """
        first: OutgoingMessage | None = None
        resting: set[str] = set()
        query = f"SELECT {_COLUMNS} FROM outbox WHERE {_OPEN} AND state = 'queued' ORDER BY number"
        for row in self.db.execute(query):
            letter = _letter_of(row)
            if letter.conversation in resting:
                continue
            if uploading and letter.image is not None and letter.picture is None:
                resting.add(letter.conversation)
                continue
            due = self._due(letter, now)
            if due <= now:
                return letter
            resting.add(letter.conversation)
            if first is None or due < first.due:
                first = msgspec.structs.replace(letter, due=due)
        return first

    def _due(self, letter: OutgoingMessage, now: int) -> int:
        """Return when a letter may go. What was noted by a clock that was ahead then counts from now on."""
        if not letter.pause:
            return 0
        before = self.db.execute("SELECT settled FROM outbox WHERE number = ?", (letter.behind,)).fetchone()
        begin = letter.created if before is None or before[0] is None else int(before[0])
        if begin > now:
            self.db.execute("UPDATE outbox SET behind = NULL, created = ? WHERE number = ?", (now, letter.number))
        return min(begin, now) + letter.pause

    def last_number(self) -> int:
        """Return the number of the newest letter that there ever was, 0 = none."""
        row = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return 0 if row is None else int(row[0])

    def sending(self, number: int, uuid: str, attempt: int) -> bool:
        """
        Note that a queued letter is about to go out under this uuid; False when it is not, or no more, queued.

        Args:
            attempt: How many times it was put on its way before.
        """
        self.db.execute(
            "UPDATE outbox SET state = 'sending', uuid = ?, attempt = attempt + 1, reason = NULL"
            " WHERE number = ? AND state = 'queued' AND attempt = ?",
            (uuid, number, attempt),
        )
        found = self.letter(number)
        return found is not None and (found.state, found.uuid, found.attempt) == ("sending", uuid, attempt + 1)

    def requeue(self, number: int, reason: str | None) -> None:
        """
        Put a letter on its way back into the queue, at its old place: it is known not to have arrived.

        A reply to talk that the owner took over meanwhile is none any more.
        """
        handler_pause.drop_late(self.db, number)
        self.db.execute(
            "UPDATE outbox SET state = 'queued', reason = ? WHERE number = ? AND state = 'sending'", (reason, number)
        )

    def settle(self, number: int, state: Settled, message_id: str | None, reason: str | None, now: int) -> bool:
        """Note how a letter ended; what is known to be sent stays so. Return whether messages wait again thereby."""
        change = self.db.execute(
            "UPDATE outbox SET state = ?, message_id = coalesce(?, message_id), reason = ?, settled = ?"
            " WHERE number = ? AND state IN ('queued', 'sending', 'unknown')",
            (state, message_id, reason, now, number),
        )
        if change.rowcount and state != "sent":
            self._bury("number = ?", number)
        return message_id is not None and handler_pause.undo_takeover(self.db, message_id)

    def _bury(self, where: str, *values: object) -> None:
        """
        Make dead letters of what these letters answered, unless it is talk.

        A reply to an order or a card may be what was paid for: that it did not arrive, or may not have, must be seen.
        """
        letters = self.db.execute(
            f"SELECT reply_to, state, reason FROM outbox WHERE {where} AND reply_to IS NOT NULL", values
        ).fetchall()
        for answered, state, reason in letters:
            fate = ("parked", NEVER_LEARNT) if state == "unknown" else ("failed", f"{NOT_SENT}{reason}")
            change = f"UPDATE messages SET state = ?, reason = ? WHERE id = ? AND state = 'done' AND {_NO_TALK}"
            self.db.execute(change, (*fate, answered))

    def automatic(self, conversation: str, since: int) -> int:
        """Return how many letters of a conversation the handler has put here since then (ms)."""
        query = "SELECT count(*) FROM outbox WHERE automatic = 1 AND conversation = ? AND created > ?"
        return int(self.db.execute(query, (conversation, since)).fetchone()[0])

    def has_had_enough(self, row: Row, bound: ReplyBound, now: int) -> bool:
        """Tell whether a waiting message is talk of a conversation that has had too many automatic messages."""
        talk = row.message.conversation
        if row.state != "waiting" or row.reason == ASKED or talk is None or row.message.kind not in TALK:
            return False
        return self.automatic(talk, now - bound.within) >= bound.most

    def _put_all(
        self, letters: Sequence[LetterPart], uuid: str, talk: str | None, receiver: str | None, reply_to: str, now: int
    ) -> int | None:
        """Put the letters of an answer into the outbox, one behind the other; return the first one's number."""
        numbers: list[int] = []
        for each in letters:
            assert talk is not None
            number = self._put(
                f"{uuid}.{len(numbers)}" if numbers else uuid,
                talk,
                receiver,
                "" if each.image else each.text,
                reply_to,
                now,
                automatic=True,
                image=each.image,
                after=(numbers[-1] if numbers else None, each.pause),
            )
            numbers.append(number)
        return numbers[0] if numbers else None

    def _put(
        self,
        uuid: str,
        conversation: str,
        receiver: str | None,
        text: str,
        reply_to: str | None,
        now: int,
        *,
        automatic: bool,
        image: str | None = None,
        after: tuple[int | None, int] = (None, 0),
    ) -> int:
        cursor = self.db.execute(
            "INSERT INTO outbox (uuid, conversation, receiver, text, created, reply_to, automatic, image, behind,"
            " pause, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued')",
            (uuid, conversation, receiver, text, now, reply_to, automatic, image, *after),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _letter(self, where: str, *values: object) -> OutgoingMessage | None:
        row = self.db.execute(f"SELECT {_COLUMNS} FROM outbox WHERE {where}", values).fetchone()
        return None if row is None else _letter_of(row)

    def _prove_sent(self, message_id: str, conversation: str | None, text: str, time: int) -> bool:
        """Settle the letter of which an own message is the echo; return whether there is one."""
        if self._letter("message_id = ? AND state = 'sent' LIMIT 1", message_id) is not None:
            return True  # not of another one that says the same and is on its way
        found = self._on_its_way(message_id, conversation, text.strip(), time + ECHO_SLACK)
        if found is None:
            return self._letter("message_id = ? LIMIT 1", message_id) is not None
        self.db.execute(
            "UPDATE outbox SET state = 'sent', message_id = ?, reason = NULL, settled = ? WHERE number = ?",
            (message_id, time, found),
        )
        self.db.execute(
            "UPDATE messages SET state = 'done', reason = NULL WHERE state = 'parked' AND reason = ?"
            " AND id = (SELECT reply_to FROM outbox WHERE number = ?)",
            (NEVER_LEARNT, found),
        )
        return True

    def _on_its_way(self, message_id: str, conversation: str | None, text: str, time: int) -> int | None:
        """
        Return the letter without a known end that this message is; rather one that is on its way just now.

        One that waits to be sent once more may have arrived all the same. One of which nobody knows arrived before its
        sender gave up on it, or never: the same text later is the owner's.
        """
        open_ones = self.db.execute(
            f"SELECT number, message_id, conversation, text, created, settled FROM outbox WHERE {_OPEN}"
            " AND attempt > 0 ORDER BY state = 'sending' DESC, number"
        )
        for number, known_id, talk, said, created, settled in open_ones.fetchall():
            in_time = created <= time and (settled is None or time <= settled + 2 * ECHO_SLACK)
            if known_id == message_id or (talk == conversation and said.strip() == text and in_time):
                return int(number)
        return None


def _letter_of(row: tuple[Any, ...]) -> OutgoingMessage:
    """Return the `_COLUMNS` of a row as values."""
    *plain, to_talk, image, picture, behind, pause = row
    found = None if picture is None else msgspec.json.decode(picture, type=Picture)
    more = {"to_talk": bool(to_talk), "image": image, "picture": found, "behind": behind, "pause": pause}
    return msgspec.structs.replace(OutgoingMessage(*plain), **more)
