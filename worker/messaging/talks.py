"""Asks the platform about an account's conversations when somebody wants to know, or to do something there. Shell.

What it lists is told and forgotten: nothing of it is stored, nor handed to a handler. What changes something is asked
once: where no answer tells how it ended, that is said, and whoever asked may look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from xyfleet.worker.clock import ServerClock
from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.connection.rpc import ChannelClosed
from xyfleet.worker.ipc.talks import (
    ListTalks,
    MarkRead,
    OpenTalk,
    ReadHistory,
    RecallMessage,
    TalkAnswer,
    TalkQuestion,
    changes,
)
from xyfleet.worker.messaging.talk_line import Ended, Errand, TalkLine, TalkPace, UnknownCall
from xyfleet.worker.protocol import im_calls, talk_calls
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.protocol.talk_calls import ListedTalk, TalkReader
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Find
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

MOST_OPEN: Final = 10
"""Questions of one account that wait or are asked at one time."""
MOST_LOOKED_AT: Final = 500
"""Conversations that are looked through for one before it is opened."""
_TALKS: Final = (im_calls.LIST_TALKS, "userConvs")
_MESSAGES: Final = (im_calls.LIST_MESSAGES, "userMessageModels")
_SAID: Final = {
    "done": log_texts.TALK_CHANGED,
    "found": log_texts.TALK_CHANGED,
    "unknown": log_texts.TALK_UNSURE,
}
_ITSELF: Final = "that user is this account itself"
_NO_ID: Final = "the answer names no conversation"


class TalkDesk:
    """
    The questions of one account, one after the other. Lives across connections; each question belongs to one.

    Args:
        me: The account's own user id.
        send_rate: Returns how many calls a second may change something; 0 = no limit.
    """

    def __init__(
        self,
        inbox: AsyncStore,
        account: str,
        me: str,
        clock: ServerClock,
        send_rate: Callable[[], float],
        log: AccountLog,
        pace: TalkPace = TalkPace(),  # noqa: B008 - it is frozen
    ) -> None:
        self._inbox = inbox
        self._me = me
        self._read = TalkReader(account, me)
        self._clock = clock
        self._send_rate = send_rate
        self._log = log
        self._pace = pace
        self._line: TalkLine | None = None
        self._turn = asyncio.Lock()
        self._open = 0

    def connected(self, line: RpcChannel) -> None:
        """There is a registered connection."""
        self.disconnected()
        self._line = TalkLine(line, self._pace, self._log.clean)

    def disconnected(self) -> None:
        """There is none any more: what was asked on it ends."""
        if self._line is not None:
            self._line.over()
        self._line = None

    async def rest(self) -> None:
        """Change nothing more on this connection, and wait for what is being changed."""
        if self._line is not None:
            await self._line.rest()

    async def ask(self, question: TalkQuestion, errand: Errand | None = None) -> TalkAnswer:
        """
        Return the answer to a question, within `TalkPace.deadline`. Never raises but when it is cancelled.

        Args:
            errand: Knows, when this is cancelled, how far it came.
        """
        errand, answer = errand or Errand(), TalkAnswer(state="stopped")
        try:
            answer = await self._answered(question, errand)
        except asyncio.CancelledError:
            answer = errand.broken_off("stopped")
            raise
        finally:
            if changes(question):
                self._note(question, answer)
        return answer

    def _note(self, question: TalkQuestion, answer: TalkAnswer) -> None:
        """Put on record what was done for somebody, or may have been."""
        text = _SAID.get(answer.state, log_texts.TALK_NOT_CHANGED)
        self._log.say(text, what=type(question).__name__, state=answer.state, reason=answer.reason)

    async def _answered(self, question: TalkQuestion, errand: Errand) -> TalkAnswer:
        if self._line is None:
            return TalkAnswer(state="offline")
        if self._open >= MOST_OPEN:
            return TalkAnswer(state="crowded")
        self._open += 1
        try:
            async with asyncio.timeout(self._pace.deadline), self._turn:
                return await self._asked(question, errand)
        except TimeoutError:
            return errand.broken_off("late")
        except ChannelClosed:
            return errand.broken_off("offline")
        except Ended as ended:
            return ended.answer
        finally:
            self._open -= 1

    async def _asked(self, question: TalkQuestion, errand: Errand) -> TalkAnswer:
        line = self._line
        if line is None:
            raise ChannelClosed
        match question:
            case ListTalks(limit):
                talks, more = await self._talks(line, limit)
                return TalkAnswer(state="done", talks=talks, more=more)
            case ReadHistory(conversation, limit):
                messages, more = await self._messages(line, conversation, limit)
                return TalkAnswer(state="done", messages=messages[::-1], more=more)
            case OpenTalk():
                return await self._open_talk(line, errand, question)
            case MarkRead(conversation):
                return await self._mark_read(line, errand, conversation)
            case RecallMessage(message):
                return await self._recall(line, errand, message)

    # Looking.

    async def _talks(
        self, line: TalkLine, limit: int, enough: Callable[[ListedTalk], bool] = lambda _: False
    ) -> tuple[list[ListedTalk], bool]:
        now = self._clock.now()
        return await line.listed(
            _TALKS, im_calls.list_talks, lambda one: self._read.talk(one, now), limit, im_calls.TALKS, enough
        )

    async def _messages(self, line: TalkLine, conversation: str, limit: int) -> tuple[list[Message], bool]:
        """Return the newest messages, newest first."""
        now = self._clock.now()
        return await line.listed(
            _MESSAGES,
            lambda cursor, count: im_calls.list_messages(conversation, cursor, count),
            lambda one: self._read.message(one, conversation, None, now),
            limit,
            im_calls.MESSAGES,
        )

    async def _find(self, line: TalkLine, wanted: OpenTalk) -> str | None:
        """Return the conversation with a user about an item."""

        def is_it(talk: ListedTalk) -> bool:
            return (talk.peer, talk.item) == (wanted.user, wanted.item)

        talks, _ = await self._talks(line, MOST_LOOKED_AT, is_it)
        return next((talk.conversation for talk in talks if is_it(talk)), None)

    # Changing.

    @property
    def _gap(self) -> float:
        """Seconds before a call that changes something: the pace is that of sends."""
        rate = self._send_rate()
        return 1 / rate if rate > 0 else 0.0

    async def _open_talk(self, line: TalkLine, errand: Errand, wanted: OpenTalk) -> TalkAnswer:
        """Open a conversation; to ask twice is refused by the platform, so it is looked for before, and after."""
        if wanted.user == self._me:
            return TalkAnswer(state="rejected", reason=_ITSELF)
        if (there := await self._find(line, wanted)) is not None:
            return TalkAnswer(state="found", conversation=there)
        try:
            body = talk_calls.create(self._me, wanted.user, wanted.item)
            response = await line.change(errand, talk_calls.CREATE, body, self._gap)
            conversation = talk_calls.opened(response)
            if conversation is None:
                raise Ended("unknown", _NO_ID)
            return TalkAnswer(state="done", conversation=conversation)
        except Ended as ended:
            return await self._look_again(line, wanted, ended.answer)

    async def _look_again(self, line: TalkLine, wanted: OpenTalk, ended: TalkAnswer) -> TalkAnswer:
        """Return the conversation if it is there after all, else how the call ended."""
        try:
            there = await self._find(line, wanted)
        except (Ended, ChannelClosed):
            there = None
        return ended if there is None else TalkAnswer(state="found", conversation=there)

    async def _mark_read(self, line: TalkLine, errand: Errand, conversation: str) -> TalkAnswer:
        """Take the red point away, and have the other side know that its newest messages were read."""
        messages, _ = await self._messages(line, conversation, im_calls.MESSAGES)
        if messages:
            await line.change(errand, talk_calls.CLEAR, talk_calls.clear(conversation, messages[0].id), self._gap)
        theirs = [one.id for one in messages if not one.own]
        if theirs:
            await line.change(errand, talk_calls.READ, talk_calls.read(theirs), self._gap)
        return TalkAnswer(state="done", count=len(theirs))

    async def _recall(self, line: TalkLine, errand: Errand, message_id: str) -> TalkAnswer:
        """Take a message back. The page's call names what it said; the older one is for who does not know the new."""
        known = await self._known(message_id)
        if known is not None and not known.own:
            return TalkAnswer(state="foreign")
        body = talk_calls.recall(message_id, self._me)
        if known is not None:
            text = known.text if known.kind == "text" else ""
            body = talk_calls.recall(message_id, self._me, text, known.content_type or 1)
        try:
            await line.change(errand, talk_calls.RECALL, body, self._gap)
        except UnknownCall:
            await line.change(errand, talk_calls.OLD_RECALL, talk_calls.old_recall(message_id), self._gap)
        return TalkAnswer(state="done")

    async def _known(self, message_id: str) -> Message | None:
        """Return a message of the inbox, where that is there and can be read."""
        if not self._inbox.exists() or self._inbox.trouble is not None:
            return None
        row = await self._inbox.do(Find(message_id))
        return None if row is None else row.message
