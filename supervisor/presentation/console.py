"""The foreground terminal of `xyfleet start`: a line per event, and below them the fleet in one live line. Shell.

Writing happens in a thread of its own: a terminal that is held (Ctrl-S, selected text) must not hold the fleet.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Final, TextIO

from xyfleet.supervisor.common.event_log import Event
from xyfleet.supervisor.common.i18n import N_, tr
from xyfleet.supervisor.control.status_schema import StatusView
from xyfleet.supervisor.presentation import status_table
from xyfleet.supervisor.presentation.advice import down
from xyfleet.supervisor.presentation.event_text import line
from xyfleet.supervisor.presentation.terminal import cut
from xyfleet.worker.states import State

MAX_LINES_PER_SECOND: Final = 20
"""More events than a person can read become one line with their number."""
CALM_FLEET: Final = 20
"""In a larger fleet an account that connects without trouble is not a line of its own."""
PLAIN_EVERY: Final = 15.0
"""Seconds between two summaries where the line can't be updated in place."""
BACKLOG: Final = 200
"""Texts that wait for a held terminal; later ones are left out."""

_CLEAR_LINE: Final = "\r\x1b[K"


class Console:
    """Where the foreground supervisor shows what happens to its `accounts`. Every method returns at once."""

    def __init__(
        self,
        stream: TextIO,
        *,
        is_tty: bool,
        language: str,
        zone: tzinfo | None,
        accounts: int = 0,
        simulator: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.gone = False
        """The terminal went away; nothing is written any more."""
        self._stream = stream
        self._is_tty = is_tty
        self._language = language
        self._zone = zone
        self._clock = clock
        self._total = accounts
        self._troubled: set[str] = set()
        self._last_line = ""
        self._counted = (-1, -1)
        self._printed_at = 0.0
        self._second, self._lines, self._hidden = 0, 0, 0
        self._texts: queue.Queue[str | None] = queue.Queue(BACKLOG)
        self._writer = threading.Thread(target=self._write_all, name="console", daemon=True)
        self._writer.start()
        if simulator:
            self._put(tr(language, N_("SIMULATOR: the built-in gateway; no real account is touched")) + "\n")

    def event(self, event: Event) -> None:
        """Show an event, unless it is one of a large fleet's many untroubled ones or there are too many at once."""
        if self._is_dull(event):
            return
        if not self._may_print():
            self._hidden += 1
            return
        self.say(line(event, self._language, self._zone, datetime.now(UTC)))

    def summary(self, view: StatusView) -> None:
        """
        Show the fleet's figures: in place on a terminal, else when the connected ones change or now and then.

        To be called about once a second.
        """
        self._total = len(view.accounts)
        self._tell_hidden()
        text = status_table.summary(view, self._language)
        if self._is_tty:
            if text != self._last_line:
                self._last_line = text
                self._put(_CLEAR_LINE + self._fitted(text))
            return
        counted = down(view)
        if counted != self._counted or self._clock() - self._printed_at >= PLAIN_EVERY:
            self._counted, self._printed_at = counted, self._clock()
            self._put(text + "\n")

    def say(self, text: str) -> None:
        """Show a line of its own, above the live one."""
        if self._is_tty:
            self._put(f"{_CLEAR_LINE}{text}\n{self._fitted(self._last_line)}")
        else:
            self._put(text + "\n")

    def close(self, wait: float = 1.0) -> None:
        """Leave the cursor on a new line, and give a held terminal `wait` seconds to take the rest."""
        self._tell_hidden()
        if self._is_tty and self._last_line:
            self._put("\n")
        with contextlib.suppress(queue.Full):
            self._texts.put(None, timeout=wait)
            self._writer.join(wait)

    def _is_dull(self, event: Event) -> bool:
        if event.kind != "state" or event.account is None:
            return False
        if event.new not in (State.CONNECTING, State.CONNECTED, State.CLOSED):
            self._troubled.add(event.account)
            return False
        troubled = event.account in self._troubled
        if event.new == State.CONNECTED:
            self._troubled.discard(event.account)
        return self._total > CALM_FLEET and not troubled

    def _may_print(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        return self._lines <= MAX_LINES_PER_SECOND

    def _tell_hidden(self) -> None:
        if self._hidden:
            text = tr(self._language, N_("… and %(n)d more events; xyfleet events shows them")) % {"n": self._hidden}
            self._hidden = 0
            self.say(text)

    def _fitted(self, text: str) -> str:
        try:
            return cut(text, os.get_terminal_size(self._stream.fileno()).columns - 1)
        except OSError:
            return text

    def _put(self, text: str) -> None:
        if not self.gone:
            with contextlib.suppress(queue.Full):
                self._texts.put_nowait(text)

    def _write_all(self) -> None:
        while (text := self._texts.get()) is not None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):  # ValueError: the stream was closed
                self.gone = True
                return
