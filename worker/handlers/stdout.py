"""What the owner's handler prints, as lines of the account's log. Shell.

Otherwise it would go to a terminal that is long gone, or into a file that nobody sees grow.
"""

from __future__ import annotations

import io
from typing import Final

from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

LONGEST: Final = 4000
"""Characters after which a line that does not end is written all the same."""


class HandlerStdout(io.TextIOBase):
    """A text stream for `sys.stdout` and `sys.stderr`; any thread may write to it."""

    def __init__(self, log: AccountLog) -> None:
        super().__init__()
        self._log = log
        self._begun = ""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Take some text; whole lines go into the log, blank ones are left out."""
        *lines, self._begun = (self._begun + text).split("\n")
        if len(self._begun) > LONGEST:
            lines, self._begun = [*lines, self._begun], ""
        for line in lines:
            if line.strip():
                self._log.say(log_texts.HANDLER_SAID, text=line)
        return len(text)
