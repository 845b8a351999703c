"""The account's log: the seed's texts at the seed's levels, and the context behind them as key=value. Shell.

The texts are fixed: people grep for them (docs/heartbeat.md, log texts). Cookies, tokens and message texts are never
in a line.
"""

from __future__ import annotations

import logging
import os
import re
import select
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret, Spelled, masked
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.telemetry.log_handlers import LineWriter, Outlet, RotatingFile, Sink, StreamSink
from xyfleet.worker.telemetry.log_texts import BEATS, DEBUG, INFO, LINES_LOST, PROGRAM_ERROR, WARNING, LogText
from xyfleet.worker.text import cut, is_number, printable, shown

_MIN_HIDDEN: Final = 6
"""Shorter secrets are not looked for in lines: masking them would garble every other word."""
_HIDDEN: Final = 4
"""How many of the latest tokens are looked for."""
CLOSE_WITHIN: Final = 1.0
"""Seconds that the last lines may take to be written."""
_BARE: Final = re.compile(r"[^\s\"=]+")
_encode: Final = msgspec.json.Encoder().encode

BEATS_END: Final = ".beats"
"""What the name of the beats' file has behind the account's."""

Format = Callable[[float, LogText, dict[str, object]], str]


def console(wall: float, line: LogText, fields: dict[str, object]) -> str:
    """Return a line for people: local time, level, text, `key=value`; a traceback goes below, indented."""
    whole, fraction = divmod(wall, 1)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(whole))
    head = f"{stamp}.{int(fraction * 1000):03d} {logging.getLevelName(line.level)} {line.text}"
    below = printable(str(fields.get("traceback", ""))).rstrip()
    pairs = "".join(f" {name}={_value(value)}" for name, value in fields.items() if name != "traceback")
    return head + pairs + "".join(f"\n    {row}" for row in below.split("\n") if below) + "\n"


def as_json(wall: float, line: LogText, fields: dict[str, object]) -> str:
    """Return a line for programs: one JSON object."""
    whole, fraction = divmod(wall, 1)
    local = time.localtime(whole)
    zone = time.strftime("%z", local)
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{int(fraction * 1000):03d}{zone[:3]}:{zone[3:]}"
    head = {"time": stamp, "level": logging.getLevelName(line.level), "event": line.text}
    return _encode(head | fields).decode() + "\n"


def _value(value: object) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) else _encode(text).decode()


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


class _Channel(NamedTuple):
    """Where lines go, and in what form."""

    outlet: Outlet
    form: Format
    most: int | None
    """Bytes of the longest line that arrives whole; None = any."""
    beats: bool | None
    """True: the beats alone; False: all but the beats; None: all."""


class AccountLog:
    """
    The log of one account. Nothing that goes wrong with writing ever reaches the caller, and nobody waits for it.

    What the beats say goes into a file of its own, for there are two of them every few seconds: so the other one holds
    the causes of months.
    """

    def __init__(
        self,
        account: str,
        settings: LogSettings,
        secrets: Iterable[Secret] = (),
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.generation = 0
        """Number of the connection that lines belong to."""
        self._account = account
        self._settings = settings
        self._wall = wall
        self._always_hidden = [Spelled(secret.reveal()) for secret in secrets if len(secret.reveal()) >= _MIN_HIDDEN]
        self._hidden: deque[Spelled] = deque(maxlen=_HIDDEN)
        self._channels: list[_Channel] | None = None
        self._writer = LineWriter()
        self._pid = os.getpid()
        # A handler's thread may log by the standard way (`LibraryLogHandler`), and a file is closed and opened anew.
        self._lock = threading.Lock()

    def hide(self, secret: Secret) -> None:
        """Never let this text through from now on, should an error message or a server's reason repeat it."""
        text = secret.reveal()
        if len(text) >= _MIN_HIDDEN and (spelled := Spelled(text)) not in self._hidden:
            self._hidden.append(spelled)

    def mask(self, text: str) -> str:
        """Return the text without the hidden ones, in whatever spelling; to be done before it is cut."""
        return masked(text, *self._hidden, *self._always_hidden)

    def clean(self, text: str) -> str:
        """Return a foreign text as people may see it: masked, and then cut."""
        return cut(self.mask(text))

    def say(self, line: LogText, **fields: object) -> None:
        """Write a line; fields that are None are left out, and half a character in one costs that character alone."""
        if line in BEATS and not self._settings.beats:
            return
        if line.level <= DEBUG and not self._settings.verbose:
            return
        fields = {"account": self._account, "generation": self.generation, **self._shown(fields)}
        now = self._wall()
        with self._lock:
            if self._channels is None:
                self._channels = self._open()
            for channel in self._channels:
                if channel.beats is None or channel.beats is (line in BEATS):
                    self._put(channel.outlet, self._whole(channel, now, line, fields))

    def bug(self, error: BaseException, **fields: object) -> None:
        """Write the traceback of an error that should not have happened."""
        self.say(PROGRAM_ERROR, **fields, traceback=_trace(error))

    def note(self) -> Reason | None:
        """Return what a person should know about lost lines, or None when all is well."""
        if self._writer.stuck():
            return Reason("log_stuck")
        sinks = [channel.outlet.sink for channel in self._channels or ()]
        troubles = [sink.trouble for sink in sinks if sink.trouble is not None]
        return Reason("log_unwritten", {"words": troubles[0]}) if troubles else None

    def try_again(self) -> None:
        """Where lines could not be written, try whether that can be said now; the next line may be hours away."""
        with self._lock:
            for channel in self._channels or ():
                if channel.outlet.sink.trouble is not None:
                    self._put(channel.outlet, b"")

    def apply(self, settings: LogSettings) -> None:
        """Go on with other settings."""
        if settings != self._settings:
            with self._lock:
                self._leave_channels()
                self._settings = settings

    def close(self) -> None:
        """Have what was said written, as far as the disk takes it within a second, and close the files."""
        with self._lock:
            self._leave_channels()
            self._writer.end(CLOSE_WITHIN)
            self._writer = LineWriter()

    def _put(self, outlet: Outlet, line: bytes) -> None:
        if os.getpid() == self._pid:
            self._writer.put(outlet, line)
        else:
            outlet.write(line)  # a handler's child: the thread is its parent's

    def _whole(self, channel: _Channel, now: float, line: LogText, fields: dict[str, object]) -> bytes:
        """Return the line, with its longest texts shortened where it would not arrive whole."""
        data = self.mask(channel.form(now, line, fields)).encode()
        while channel.most is not None and len(data) > channel.most:
            texts = {name: value for name, value in fields.items() if isinstance(value, str)}
            longest = max(texts, key=lambda name: len(texts[name]))
            # The end of a traceback says what happened.
            fields = {**fields, longest: "…" + texts[longest][len(texts[longest]) // 2 + 1 :]}
            data = self.mask(channel.form(now, line, fields)).encode()
        return data

    def _shown(self, fields: dict[str, object]) -> dict[str, object]:
        """Return the fields that have a value, ready to be written: they may be a server's."""
        return {name: self._fit(name, value) for name, value in fields.items() if value is not None}

    def _fit(self, name: str, value: object) -> object:
        if name == "traceback":
            return str(value).encode(errors="replace").decode()
        if isinstance(value, str):
            return self.clean(value)
        return value if isinstance(value, float) or is_number(value) else shown(value)

    def _leave_channels(self) -> None:
        for channel in self._channels or ():
            self._writer.close(channel.outlet)
        self._channels = None

    def _open(self) -> list[_Channel]:
        settings = self._settings
        form = as_json if settings.format == "json" else console
        channels = []
        if settings.dir is None:
            channels.append(self._channel(StreamSink(1), as_json, select.PIPE_BUF, None))
        else:
            for end, beats in (("", False), (BEATS_END, True))[: 1 + settings.beats]:
                path = os.path.join(settings.dir, f"{self._account}{end}.log")
                file = RotatingFile(path, settings.max_bytes // (1 + settings.beats), settings.backups)
                channels.append(self._channel(file, form, None, beats))
        if settings.verbose:
            channels.append(self._channel(StreamSink(2), form, select.PIPE_BUF, None))
        return channels

    def _channel(self, sink: Sink, form: Format, most: int | None, beats: bool | None) -> _Channel:
        def lost(lines: int) -> bytes:
            return form(self._wall(), LINES_LOST, {"account": self._account, "lines": lines}).encode()

        return _Channel(Outlet(sink, lost), form, most, beats)


class LibraryLogHandler(logging.Handler):
    """
    Leads what is logged by the standard way into the account's log.

    Of libraries in the worker's own thread these are warnings and errors; what the handler logs in threads of its own,
    from INFO on, is wanted.
    """

    def __init__(self, log: AccountLog) -> None:
        super().__init__(INFO)
        self._log = log
        self._own = threading.main_thread().ident

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, with its traceback when it has one."""
        if record.levelno < WARNING and record.thread == self._own:
            return
        error = record.exc_info[1] if record.exc_info else None
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        trace = _trace(error) if error is not None else None
        self._log.say(LogText(record.levelno, self._log.clean(message)), logger=record.name, traceback=trace)
