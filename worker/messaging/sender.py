"""Sends what is in the outbox, one message after the other, each once. Shell.

A message is on record as being on its way before its frame is written. From then on only an answer tells what became
of it: without one nobody knows, and it is not sent again. Its echo, should it come, settles it later (`message_store`).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.connection.rpc import ChannelClosed, NeverWritten, NoAnswer
from xyfleet.worker.connection.wait import InterruptibleWait
from xyfleet.worker.ipc.messages import Uploaded
from xyfleet.worker.messaging.image_letters import ImageLetters
from xyfleet.worker.messaging.letter_ends import LetterEnds
from xyfleet.worker.protocol import im_calls
from xyfleet.worker.protocol.frames import NOT_REGISTERED, Response
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage import operations as ops
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.results import OutgoingMessage, Queued, Settled
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

RETRIES: Final = (2.0, 4.0, 8.0)
"""Seconds to wait after the answers that say: try again. After the last one it is given up."""
_LOOK_BACK: Final = 20
"""Letters before the first one of this process that tell which uuids were used."""
TOO_LATE: Final = "older than reply_max_age when it could be sent"
_CLOSED: Final = "the connection was lost before the answer came"


class OutboxSender:
    """
    The sender of one account. Lives across connections; `run()` it once.

    Args:
        me: The account's own user id.
        changed: Called when a figure changed.
        upload: Has an image uploaded, by its path.
        resumed: Called when messages wait for the handler again, because what looked like a takeover was an echo.
    """

    def __init__(
        self,
        inbox: AsyncStore,
        settings: MailSettings,
        me: str,
        log: AccountLog,
        changed: Callable[[], None],
        retries: tuple[float, ...] = RETRIES,
        wall: Callable[[], float] = time.time,
        resumed: Callable[[], None] = lambda: None,
        upload: Callable[[str], Awaitable[Uploaded]] | None = None,
    ) -> None:
        self._inbox = inbox
        self._settings = settings
        self._me = me
        self._log = log
        self._changed = changed
        self._retries = retries
        self._wall = wall
        self._resumed = resumed
        self._images = None if upload is None else ImageLetters(inbox, log, upload, wall)
        self._uploading: asyncio.Task[None] | None = None
        self._uuids = im_calls.Uuids(wall)
        self._uuids_known = False
        self._line: RpcChannel | None = None
        self._maybe = inbox.exists()
        """Whether there may be something to send."""
        self._bell = InterruptibleWait()
        self._resting = False
        self._resting_until: asyncio.TimerHandle | None = None
        self._under_way = asyncio.Lock()
        self._last_write = -float("inf")
        self._again: int | None = None
        """Number of the letter that is to be sent once more."""
        self._ends = LetterEnds(inbox, log, changed)

    def connected(self, line: RpcChannel) -> None:
        """There is a registered connection."""
        self._line = line
        self._bell.ring()

    def disconnected(self) -> None:
        """There is none any more: what is queued stays so, and goes out on the next one."""
        self._line = None
        self._resting = False
        self._bell.ring()

    def wake(self) -> None:
        """There may be something new to send."""
        self._maybe = True
        self._bell.ring()

    def apply(self, settings: MailSettings) -> None:
        """Take over new settings."""
        self._settings = settings
        self._bell.ring()

    def lost(self) -> None:
        """The inbox was lost, and the outbox with it: nobody will learn what becomes of its letters."""
        if self._uploading is not None:
            self._uploading.cancel()  # its letter's number becomes another one's
        self._ends.lost()

    async def queue(
        self, conversation: str, text: str, receiver: str | None, *, automatic: bool = False, image: str | None = None
    ) -> Queued:
        """
        Put a text into the outbox, for good when this returns.

        Args:
            receiver: User id; None: whoever wrote last in that conversation.
            automatic: Whether the handler wants it sent.
            image: Path of an image to be sent instead of the text.
        """
        # What goes over the wire as its uuid is given when it goes.
        queued = await self._inbox.do(ops.Queue(uuid.uuid4().hex, conversation, text, receiver, automatic, image))
        if queued.letter is not None:
            self._changed()
            self.wake()
        return queued

    async def settled(self, number: int) -> OutgoingMessage:
        """
        Wait until it is known what became of a letter, or known that nobody will know.

        Raises:
            LookupError: there is no such letter.
        """
        return await self._ends.settled(number)

    async def rest(self) -> None:
        """Send nothing more on this connection; return when nothing is on its way: its end leaves nothing unknown."""
        self._resting = True
        self._bell.ring()
        async with self._under_way:
            pass

    async def run(self) -> None:
        """Send until cancelled; an upload goes on beside it, and ends with it."""
        async with asyncio.TaskGroup() as beside:
            while True:
                await self._bell.until(lambda: self._maybe and self._ready)
                self._maybe = False
                letter = await self._inbox.do(ops.NextQueued(uploading=self._uploading is not None))
                if self._again is not None and (letter is None or letter.number != self._again):
                    await self._ends.look(self._again)
                self._again = None
                if letter is not None and (rest := letter.due / 1000 - self._wall()) > 0:
                    self._wake_later(rest)
                elif letter is not None:
                    self._maybe = True
                    await asyncio.sleep(await self._see_to(letter, beside))

    def _wake_later(self, seconds: float) -> None:
        """Look again when the next part of an answer may go; until then others may come."""
        if self._resting_until is not None:
            self._resting_until.cancel()
        self._resting_until = asyncio.get_running_loop().call_later(seconds, self.wake)

    async def _see_to(self, letter: OutgoingMessage, beside: asyncio.TaskGroup) -> float:
        """Take the next step with a letter; return for how long to wait before another one."""
        image = letter.image if letter.picture is None and letter.receiver is not None else None
        if image is not None and not self._is_stale(letter):
            if self._ready:
                self._uploading = beside.create_task(self._upload_first(letter, image))
                self._uploading.add_done_callback(self._uploaded)
            return 0.0
        await self._in_rate()
        async with self._under_way:
            return await self._send(letter) if self._ready else 0.0

    @property
    def _ready(self) -> bool:
        return self._line is not None and not self._resting

    async def _send(self, letter: OutgoingMessage) -> float:
        """Send a queued letter; return for how long to wait before the next one may go."""
        line = self._line
        assert line is not None
        if self._is_stale(letter):
            return await self._settle(letter, "failed", None, TOO_LATE)
        if letter.receiver is None:
            return await self._settle(letter, "rejected", None, "it is not known who is to receive it")
        name = letter.uuid if letter.attempt else await self._new_uuid(letter)
        if not await self._inbox.do(ops.Sending(letter.number, name, letter.attempt)):
            await self._ends.look(letter.number)
            return 0.0
        body = self._body(name, letter, letter.receiver)
        if self._line is line:
            return await self._ask(line, letter, body)
        return await self._not_written(letter, line)

    def _body(self, name: str, letter: OutgoingMessage, receiver: str) -> object:
        if letter.picture is None:
            return im_calls.send_text(name, letter.conversation, receiver, self._me, letter.text)
        return im_calls.send_image(name, letter.conversation, receiver, self._me, letter.picture)

    async def _upload_first(self, letter: OutgoingMessage, path: str) -> None:
        """Not under way: neither other conversations' letters nor the connection's end wait for an upload."""
        assert self._images is not None, "whoever takes images has them uploaded"
        end = await self._images.upload(letter, path)
        if end is not None:
            await self._settle(letter, end.state, None, end.reason)

    def _uploaded(self, _job: asyncio.Task[None]) -> None:
        self._uploading = None
        self.wake()

    async def _ask(self, line: RpcChannel, letter: OutgoingMessage, body: object) -> float:
        self._last_write = time.monotonic()
        try:
            answer = await line.ask(im_calls.SEND, body)
        except NoAnswer:
            return await self._settle(letter, "unknown", None, "no answer came in time")
        except NeverWritten:
            return await self._not_written(letter, line)
        except ChannelClosed:
            return await self._settle(letter, "unknown", None, _CLOSED)
        if answer.code == NOT_REGISTERED:
            # The server takes nothing on this connection, whose end is near.
            return await self._not_written(letter, line)
        return await self._answered(letter, answer)

    def _is_stale(self, letter: OutgoingMessage) -> bool:
        """Tell whether a reply to talk waited for so long that it is none any more; who has paid gets his goods."""
        limit = self._settings.reply_max_age * 1000
        return letter.to_talk and 0 < limit < self._wall() * 1000 - letter.created

    async def _answered(self, letter: OutgoingMessage, answer: Response) -> float:
        match im_calls.sent(answer):
            case im_calls.Sent(message_id):
                return await self._settle(letter, "sent", message_id, None)
            case im_calls.Rejected(reason):
                return await self._settle(letter, "rejected", None, self._log.clean(reason))
            case im_calls.Unclear(reason):
                return await self._settle(letter, "unknown", None, reason)
            case im_calls.Busy(reason):
                return await self._later(letter, self._log.clean(reason))

    async def _later(self, letter: OutgoingMessage, reason: str) -> float:
        """
        Try again after a while, if there were not too many tries.

        It waits in the queue, where a crash leaves it to be sent: that it did not arrive is known. Those behind it wait
        too, so that messages go out in the order in which they were given.
        """
        if letter.attempt >= len(self._retries):
            return await self._settle(letter, "failed", None, reason)
        wait = self._retries[letter.attempt]
        await self._inbox.do(ops.Requeue(letter.number, reason))
        self._log.say(log_texts.MESSAGE_LATER, number=letter.number, reason=reason, wait=wait)
        self._again = letter.number
        return wait

    async def _not_written(self, letter: OutgoingMessage, line: RpcChannel) -> float:
        await self._inbox.do(ops.Requeue(letter.number, None))
        self._log.say(log_texts.MESSAGE_NOT_WRITTEN, number=letter.number)
        if self._line is line:
            self._line = None  # whoever made it is about to say so
        return 0.0

    async def _settle(
        self, letter: OutgoingMessage, state: Settled, message_id: str | None, reason: str | None
    ) -> float:
        """Note how a letter ended, unless its echo was faster, and tell who waits for it."""
        done = await self._inbox.do(ops.Settle(letter.number, state, message_id, reason))
        if done.resumed:
            self.wake()
            self._resumed()
        self._ends.tell(done.letter)
        return 0.0

    async def _in_rate(self) -> None:
        """Wait until `send_rate` allows another message, or there is no connection any more."""
        while self._ready and self._settings.send_rate > 0:
            left = self._last_write + 1 / self._settings.send_rate - time.monotonic()
            if left <= 0:
                return
            settings = self._settings
            await self._bell.until(lambda: not self._ready or self._settings is not settings, left)  # noqa: B023 (called in this round)

    async def _new_uuid(self, letter: OutgoingMessage) -> str:
        """Return a uuid that none was like. Letters go out in the order of their numbers, so the last ones tell."""
        if not self._uuids_known:
            numbers = range(max(1, letter.number - _LOOK_BACK), letter.number)
            for one in await self._inbox.do(ops.Letters(list(numbers))):
                self._uuids.after(one.uuid)
            self._uuids_known = True
        return self._uuids.new()
