"""One connection, as catching up sees it: waits on it end when it does. Shell."""

from __future__ import annotations

import time
from collections.abc import Callable

from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.connection.rpc import ChannelClosed
from xyfleet.worker.connection.wait import InterruptibleWait


class CatchUpSession:
    """One connection, as catching up sees it."""

    def __init__(self, line: RpcChannel) -> None:
        self.line = line
        self.granted = False
        """Whether the supervisor says that it is our turn."""
        self.judged = False
        """Whether it proved to bring no messages, or can't prove it: not all that it brought was taken."""
        self.refused = False
        """Whether something that it brought was not taken since the last listing."""
        self._began = time.monotonic()
        self._last_call = float("-inf")
        self._wait = InterruptibleWait(ChannelClosed)

    def began(self, now: int) -> int:
        """Return when it was registered, in ms, by a clock that says `now`; the clock may have been set meanwhile."""
        return max(self.line.began, now - int((time.monotonic() - self._began) * 1000))

    def restart(self) -> None:
        """The server will not push all that came until now: what came before proves nothing."""
        self._began = time.monotonic()

    def ring(self, *, over: bool = False) -> None:
        """Have the wait that is on look again; `over`: the connection is gone."""
        if over:
            self._wait.stop()
        else:
            self._wait.ring()

    async def until(self, true: Callable[[], bool], seconds: float | None) -> None:
        """
        Wait until something is true, for so long at most.

        Raises:
            ChannelClosed: the connection is gone.
        """
        await self._wait.until(true, seconds)

    async def pace(self, gap: float) -> None:
        """Wait until so many seconds have passed since the last call. Raises `ChannelClosed`."""
        if (left := self._last_call + gap - time.monotonic()) > 0:
            await self.sleep(left)
        self._last_call = time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait. Raises `ChannelClosed` when the connection is gone."""
        await self.until(lambda: False, seconds)
