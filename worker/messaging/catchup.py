"""Looks for messages that were never pushed: after every connect, and when a connection is silent for long. Shell.

What is to be read, and what it proves, `catchup_plan` decides; `catchup_pager` reads it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from xyfleet.worker.clock import ServerClock
from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.connection.rpc import ChannelClosed
from xyfleet.worker.messaging import catchup_plan
from xyfleet.worker.messaging.catchup_mark import CatchUpMark
from xyfleet.worker.messaging.catchup_pager import Abandoned, CatchUpPager
from xyfleet.worker.messaging.catchup_plan import Round, Tempo
from xyfleet.worker.messaging.catchup_session import CatchUpSession
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.message import millis
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Add
from xyfleet.worker.storage.results import Added, HandlerRules
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

_CURES: Final = 2
"""For a connection that brings no messages: another one, another one with a new token."""


class CatchUp:
    """
    Finds what was missed and puts it into the inbox, marked `recovered`. Lives across connections; `run()` it once.

    Args:
        me: The account's own user id.
        ask_turn: Asks the supervisor for permission, which comes as a call of `turn()`.
        added: Called with what came of storing what was found.
        zombie: Called with the reason when the connection proved to bring no messages, and whether its token is to
            be replaced: the one before proved the same.
        rules: Returns what the inbox needs to know about handlers to take these messages in.
        clock: The server's, by which its messages have their times.
    """

    def __init__(
        self,
        inbox: AsyncStore,
        settings: MailSettings,
        me: str,
        log: AccountLog,
        ask_turn: Callable[[], None],
        added: Callable[[Added], None],
        zombie: Callable[[Reason, bool], None],
        rules: Callable[[Sequence[IncomingItem]], HandlerRules],
        clock: ServerClock,
        tempo: Tempo = Tempo(),  # noqa: B008 - it is frozen
    ) -> None:
        self.recovered = 0
        """Messages found so far."""
        self.rounds = 0
        """Rounds that came to their end so far."""
        self.caught_up: Callable[[], None] = _deaf
        """Called at the end of each round."""
        self.zombies = 0
        """Connections so far that proved to bring no messages."""
        self._inbox = inbox
        self._settings = settings
        self._me = me
        self._log = log
        self._ask_turn = ask_turn
        self._added = added
        self._zombie = zombie
        self._rules = rules
        self._clock = clock
        self._tempo = tempo
        self._born = int(time.time() * 1000)
        self._first: int | None = None
        self._mark = CatchUpMark(inbox, tempo)
        self._heard = 0.0
        self._verdicts = 0
        """Connections in a row that proved to bring no messages."""
        self._visit: CatchUpSession | None = None
        self._news = asyncio.Event()

    # What others say.

    def connected(self, line: RpcChannel) -> None:
        """There is a registered connection."""
        self.disconnected()
        self._first = self._first or self._clock.now()
        self._visit = CatchUpSession(line)
        self._heard = time.monotonic()
        self._news.set()

    def disconnected(self) -> None:
        """There is none any more."""
        if self._visit is not None:
            self._visit.ring(over=True)
        self._visit = None

    def turn(self) -> None:
        """The supervisor says that it is this account's turn. Unasked, or too late, it means nothing."""
        if self._visit is not None:
            self._visit.granted = True
            self._visit.ring()

    def heard(self) -> None:
        """A push brought messages: the connection is not silent."""
        self._heard = time.monotonic()
        self._verdicts = 0

    def refused(self) -> None:
        """A push could not be taken: it is to be looked for soon, and what is found then proves nothing."""
        if self._visit is not None:
            self._visit.judged = self._visit.refused = True
            self._visit.ring()

    def missed(self) -> None:
        """The server says that it will not push all that came: it is to be looked for soon."""
        if self._visit is not None:
            self._visit.restart()
            self._visit.refused = True
            self._visit.ring()

    def lost(self) -> None:
        """The inbox was lost and begun anew: all is to be looked for again, and what is found proves nothing."""
        self._mark.lost()
        self.refused()

    def apply(self, settings: MailSettings) -> None:
        """Take over new settings."""
        self._settings = settings
        if self._visit is not None:
            self._visit.ring()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            visit = self._visit
            if visit is None:
                continue
            try:
                await self._attend(visit)
            except ChannelClosed:
                continue  # the next connection begins anew

    # One connection.

    async def _attend(self, visit: CatchUpSession) -> None:
        await visit.sleep(self._tempo.list_wait)
        while True:
            await self._round(visit)
            await self._silence(visit)

    async def _silence(self, visit: CatchUpSession) -> None:
        """Wait until nothing was heard for `catch_up_every`, or a push could not be taken."""
        ended = time.monotonic()
        factor = 1 + self._tempo.jitter * random.uniform(-1, 1)
        while not visit.refused:
            settings = self._settings
            left: float | None = None
            if settings.catch_up_every > 0:
                left = max(ended, self._heard) + settings.catch_up_every * factor - time.monotonic()
                if left <= 0:
                    return
            await visit.until(lambda: visit.refused or self._settings is not settings, left)  # noqa: B023 (called in this round)

    async def _round(self, visit: CatchUpSession) -> None:
        """Find all that was missed, in as many turns as it takes."""
        await self._permission(visit)
        visit.refused = False
        round_ = await self._mark.begin(self._since())
        while not await self._turn(visit, round_):
            await self._permission(visit)
        for name in await self._mark.finish(round_, self._since()):
            self._log.say(log_texts.CATCH_UP_GIVEN_UP, conversation=name, rounds=self._tempo.rounds)
        self.rounds += 1
        self.caught_up()
        self._log.say(
            log_texts.RECOVERED if round_.found else log_texts.CAUGHT_UP,
            messages=round_.found,
            talks=len(round_.talks),
        )

    async def _permission(self, visit: CatchUpSession) -> None:
        """Wait until the disk takes messages and the supervisor says that it is our turn, or says nothing at all."""
        while self._inbox.trouble is not None or self._inbox.full():
            await visit.sleep(self._tempo.disk_look)
        visit.granted = False
        self._ask_turn()
        await visit.until(lambda: visit.granted, self._tempo.turn_wait)

    async def _turn(self, visit: CatchUpSession, round_: Round) -> bool:
        """Do one turn's work; return whether that was the last of it."""
        reader = CatchUpPager(visit, self._me, self._log, self._tempo)
        wait = 0.0
        try:
            round_.listed = round_.listed or self._clock.now()
            await reader.talks(round_, self._mark.read)
            for _ in range(len(round_.left)):
                if not await self._read_on(reader, round_):
                    wait = self._tempo.again
        except Abandoned as error:
            self._log.say(log_texts.CATCH_UP_ABANDONED, reason=str(error))
            wait = self._tempo.again
        if not wait and not round_.done:
            self._log.say(log_texts.CATCH_UP_MORE, messages=round_.found, talks=len(round_.left))
        self._judge(visit, round_)
        await visit.sleep(0.0 if round_.done else wait)
        return round_.done

    async def _read_on(self, reader: CatchUpPager, round_: Round) -> bool:
        """Read the next conversation, or what is left of it, and store what is new; return whether it can be read."""
        walk = round_.left[0]
        visit, now = reader.visit, self._clock.now()
        began = visit.began(now)
        try:
            found, following = await reader.messages(round_.horizon, walk)
        except Abandoned as error:
            round_.put_off(self._tempo.tries)
            if error.busy:
                raise  # so are the others
            self._log.say(log_texts.CATCH_UP_ABANDONED, reason=str(error))
            return False
        # From old to new: so the handler gets it in the order in which it was said.
        added = await self._store(found[::-1]) if walk.reached_end(following) else Added([])
        round_.left.popleft()
        if walk.go_on():
            round_.left.append(walk)
        if walk.incomplete or not all(each.kept for each in added.unfit):
            round_.unread.add(walk.talk.conversation)
        round_.found += len(added.rows)
        within = int(self._tempo.push_within * 1000)
        round_.unpushed += [row for row in added.rows if catchup_plan.zombie(row, now, began, within)]
        return True

    def _judge(self, visit: CatchUpSession, round_: Round) -> None:
        """
        Say so, once, when this connection proved to bring no messages.

        The cure is a new connection, and if that proves the same, one with a new token, which costs a call. After that
        there is no further verdict before a push comes: perhaps the server lists what it never pushes.
        """
        if visit.judged or not round_.unpushed or self._verdicts >= _CURES:
            return
        visit.judged = True
        self._verdicts += 1
        self.zombies += 1
        age = (self._clock.now() - min(millis(row.message.time) for row in round_.unpushed)) // 1000
        reason = Reason("zombie", {"count": len(round_.unpushed), "seconds": age})
        self._log.say(log_texts.ZOMBIE, reason=str(reason))
        self._zombie(reason, self._verdicts >= _CURES)

    # The inbox.

    async def _store(self, found: list[IncomingItem]) -> Added:
        if not found:
            return Added([])
        added = await self._inbox.do(Add(found, True, self._rules(found)))
        self.recovered += len(added.rows)
        self._added(added)
        return added

    def _since(self) -> int:
        """
        Return when this account's time with xyfleet began, by the server's clock.

        It was noted by our clock. Was that ahead then and is right now, it began at the first connection at the latest.
        """
        ours = (self._settings.since or self._born) - int((self._clock.ahead() or 0.0) * 1000)
        return ours if self._first is None else min(ours, self._first)


def _deaf() -> None:
    """For rounds whose end nobody waits for."""
