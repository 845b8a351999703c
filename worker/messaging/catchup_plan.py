"""What catching up has to read, and what it proves. Pure.

Listings go from new to old. A round reads down to its horizon; only when it got there in every conversation does the
mark move up, so that nothing between two rounds is ever skipped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from xyfleet.worker.protocol.im_calls import NEWEST, Page, Talk
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.message import millis
from xyfleet.worker.storage.schema import LOST, Row


class Tempo(msgspec.Struct, frozen=True, kw_only=True):
    """How catching up goes about it, in seconds. Rules, not settings; values so that tests can scale them."""

    list_wait: float = 3.0
    """After the registration: sooner, list calls only meet flow control."""
    turn_wait: float = 600.0
    """Without a word from the supervisor for so long, a round goes on without it."""
    overlap: float = 60.0
    """How far behind the mark is read again."""
    push_within: float = 60.0
    """A message that was not pushed within this time will not be."""
    busy_waits: tuple[float, ...] = (3.0, 6.0, 12.0, 24.0, 48.0, 60.0)
    """Waits after the answers that say: not now."""
    again: float = 300.0
    """From a round that was abandoned to its next try."""
    jitter: float = 0.1
    """Share by which `catch_up_every` varies, up and down: a fleet that connected as one should not list as one."""
    disk_look: float = 5.0
    """Between two looks at a disk that takes no messages."""
    tries: int = 3
    """To read a conversation in one round, before it is left to the next one."""
    rounds: int = 3
    """That may fail to read a conversation as it stands, before it is left as it is until it changes."""
    call_gap: float = 0.2
    """Between two calls, at least: lists without an end are no reason for calls without a pause."""
    pages: int = 20
    """Most pages of the list, and of each conversation, that are read in one turn; the next turn goes on there."""


def horizon(since: int, mark: int | None, overlap: int) -> int:
    """
    Return the time (ms) up to which nothing is missed, that time included.

    Args:
        since: What is older was there before the account was xyfleet's.
        mark: Time up to which an earlier round has seen all.
        overlap: How far behind the mark messages may still turn up: the server's clocks are several.
    """
    return since - 1 if mark is None else max(since - 1, mark - overlap)


def to_read(talks: Iterable[Talk], horizon: int, read: Mapping[str, int]) -> list[Talk]:
    """Return the conversations that may have news; `read` says at which time of change one was read to its end."""
    return [
        talk
        for talk in talks
        if talk.modified is None or (talk.modified > horizon and read.get(talk.conversation) != talk.modified)
    ]


def listed_enough(talks: Sequence[Talk], horizon: int) -> bool:
    """Tell whether older conversations can't have news. The last one decides: pinned ones may stand on top."""
    return bool(talks) and reached(talks[-1].modified, horizon)


def news(found: Iterable[IncomingItem], horizon: int, last: int | None) -> tuple[list[IncomingItem], int | None]:
    """
    Return what is newer than the horizon of a page of messages, and the time (ms) of the page's last one.

    A message without a time counts as being as old as the one before it.

    Args:
        last: The time of the message before the page, or of the conversation's last change.
    """
    kept = []
    for one in found:
        last = one.time if one.time is not None else last
        if not reached(last, horizon):
            kept.append(one if one.time is not None else msgspec.structs.replace(one, time=last))
    return kept, last


def reached(time: int | None, horizon: int) -> bool:
    """Tell whether what is older than this can't be news. A time that nobody said tells nothing."""
    return time is not None and time <= horizon


def next_cursor(page: Page, cursor: int, oldest: int | None) -> int | None:
    """
    Return where the next page begins; None = nowhere: this was the last page, or the server leads in circles.

    Args:
        cursor: That of this page.
        oldest: Time (ms) of the page's last entry, for a server that names no cursor.
    """
    following = page.cursor if page.cursor is not None else oldest
    return following if page.more and following is not None and following < cursor else None


def zombie(row: Row, now: int, began: int, after: int) -> bool:
    """
    Tell whether a message that was found by listing should have been pushed on this connection.

    Only what a person said, whom the listing names: whether all else is pushed at all, and as what, nobody knows.

    Args:
        now: When it was found (ms).
        began: When the connection was registered (ms).
        after: Milliseconds within which a push may still be on its way.
    """
    message = row.message
    said = message.kind in ("text", "image") and message.sender is not None and not message.own
    return said and row.reason != LOST and began < millis(message.time) < now - after


def mark(newest: int | None, listed: int, before: int | None) -> int | None:
    """
    Return the mark after a complete round; it never goes back, nor beyond the time of listing (ms).

    Args:
        newest: Last change of the conversation that was changed last.
    """
    if newest is None:
        return before
    return max(min(newest, listed), before if before is not None else 0)


def settled(talks: Iterable[Talk], horizon: int, listed: int, overlap: int) -> dict[str, int]:
    """Return the conversations that were read to their end, and above the next horizon, with their times of change."""
    return {
        talk.conversation: talk.modified
        for talk in talks
        if talk.modified is not None and horizon < talk.modified <= listed - overlap
    }


class Walk:
    """
    The way through one conversation: down to the horizon, and up again, storing what the handler is to get in order.

    What can be read in one turn is stored at once. Of a longer one only the places of the turns are kept, not their
    messages: once the oldest are stored, those above are read again.
    """

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.cursor = NEWEST
        """Where the next turn begins."""
        self.stepped = False
        """Whether the server led in a circle in this turn, which was left by a step of a millisecond."""
        self.incomplete = False
        """Whether something in it may not have been read."""
        self._above: list[int] = []
        self._up = False

    def reached_end(self, following: int | None) -> bool:
        """Note where a turn ended; return whether what it found is to be stored, else it is read again."""
        self._up = self._up or following is None
        if not self._up:
            assert following is not None
            self._above.append(self.cursor)
            self.cursor = following
        return self._up

    def go_on(self) -> bool:
        """Go to the next turn; return whether there is one."""
        self.stepped = False
        if self._up:
            if not self._above:
                return False
            self.cursor = self._above.pop()
        return True


class Round:
    """The work of one round, which may take several turns."""

    def __init__(self, horizon: int, epoch: int = 0) -> None:
        self.horizon = horizon
        self.epoch = epoch
        """Of the inbox: what is seen is in no later one."""
        self.listed = 0
        """When listing began (ms)."""
        self.cursor: int | None = NEWEST
        """Where listing goes on; None = all that can have news is listed."""
        self.newest: int | None = None
        """Last change of any conversation (ms)."""
        self.talks: dict[str, Talk] = {}
        self.left: deque[Walk] = deque()
        """Conversations still to be read."""
        self.circular = False
        """Whether the list of conversations led in a circle, so that older ones may not have been seen."""
        self.unread: set[str] = set()
        """Conversations that can't be read in this round."""
        self._put_off: dict[str, int] = {}
        self.found = 0
        """Messages that were missing."""
        self.unpushed: list[Row] = []
        """Those that prove the connection a zombie."""

    @property
    def done(self) -> bool:
        """Whether all that can have news is read."""
        return self.cursor is None and not self.left

    def put_off(self, tries: int) -> None:
        """The first of those left could not be read: the others come before it, and after so many tries it is left."""
        walk = self.left.popleft()
        name = walk.talk.conversation
        tried = self._put_off[name] = self._put_off.get(name, 0) + 1
        if tried < tries:
            self.left.append(walk)
        else:
            self.unread.add(name)

    def take(self, talks: list[Talk], read: Mapping[str, int]) -> None:
        """Take a page of conversations."""
        times = [talk.modified for talk in talks if talk.modified is not None]
        self.newest = max([*times, *([] if self.newest is None else [self.newest])], default=None)
        fresh = [talk for talk in talks if talk.conversation not in self.talks]
        self.talks.update({talk.conversation: talk for talk in fresh})
        self.left.extend(Walk(talk) for talk in to_read(fresh, self.horizon, read))
