"""What the owner's handler and its child processes print, as lines of the account's log. Shell.

Otherwise it would go to a terminal that is long gone, or into a file that nobody sees grow.
"""

from __future__ import annotations

import codecs
import io
import os
import threading
from typing import Final

from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

LONGEST: Final = 4000
"""Characters after which a line that does not end is written all the same."""
_PIECE: Final = 65_536
_decoder: Final = codecs.getincrementaldecoder("utf-8")


class HandlerStdout(io.TextIOWrapper):
    """
    A text stream for `sys.stdout` or `sys.stderr`, with all that Python's own has; any thread may write to it.

    What is written through `buffer` comes out as it would from a file in UTF-8. `fileno()` is the end of a pipe: what
    child processes write into it comes out too.
    """

    def __init__(self, log: AccountLog, name: str = "<stdout>") -> None:
        self._lines = _Lines(log)
        super().__init__(_Through(_LogWriter(self._lines, name)), "utf-8", "backslashreplace", write_through=True)

    @property
    def mode(self) -> str:
        """As Python's own."""
        return "w"

    def write(self, text: str) -> int:
        """Take some text; whole lines go into the log, each thread's own, and blank ones are left out."""
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._lines.take(threading.get_ident(), text)
        return len(text)


class _Lines:
    """Puts lines together, of each writer its own."""

    def __init__(self, log: AccountLog) -> None:
        self._log = log
        self._begun: dict[object, str] = {}
        self._lock = threading.Lock()

    def take(self, writer: object, text: str) -> None:
        """Take some text of one writer."""
        with self._lock:
            *lines, rest = (self._begun.pop(writer, "") + text).split("\n")
            if len(rest) > LONGEST:
                lines, rest = [*lines, rest], ""
            if rest:
                self._begun[writer] = rest
        for line in lines:
            if line.strip():
                self._log.say(log_texts.HANDLER_SAID, text=line)


class _LogWriter(io.RawIOBase):
    """The bytes below the text."""

    def __init__(self, lines: _Lines, name: str) -> None:
        super().__init__()
        self.name = name
        self._lines = lines
        self._pipe = -1
        self._lock = threading.Lock()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Take all bytes."""
        raw = bytes(data)  # type: ignore[call-overload] # a buffer, for which 3.11 has no type
        self._lines.take(self, raw.decode("utf-8", "replace"))
        return len(raw)

    def fileno(self) -> int:
        """Return the end of a pipe, which is made when somebody asks for it."""
        with self._lock:
            if self._pipe < 0:
                read, self._pipe = os.pipe()
                threading.Thread(target=self._read, args=(read,), name="handler-output", daemon=True).start()
            return self._pipe

    def close(self) -> None:
        """Let go of the pipe; what others still write into it comes out all the same."""
        with self._lock:
            if self._pipe >= 0:
                os.close(self._pipe)
                self._pipe = -1
        super().close()

    def _read(self, pipe: int) -> None:
        decoder = _decoder("replace")
        with open(pipe, "rb", buffering=0) as file:
            while data := file.read(_PIECE):
                self._lines.take(pipe, decoder.decode(data))


class _Through(io.BufferedWriter):
    """A buffer that holds nothing back: nobody flushes at the end of a worker."""

    def write(self, data: object) -> int:
        """Write all of it now."""
        written = super().write(data)  # type: ignore[arg-type] # the same
        self.flush()
        return written
