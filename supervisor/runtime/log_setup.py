"""The supervisor's own log file, `supervisor.log` beside the workers'. Shell.

Lines are written in a thread of their own: a log folder on a disk that does not answer must not stop the loop.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Final

from xyfleet.supervisor.settings import Fleet
from xyfleet.worker.private_files import open_private
from xyfleet.worker.telemetry.log_handlers import LineWriter, Outlet, RotatingFile, Sink, StreamSink

NAME: Final = "supervisor.log"
FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"
CLOSE_WITHIN: Final = 1.0
"""Seconds that the last lines may take to be written."""


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {"time": f"{stamp}.{int(record.msecs):03d}Z", "level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _SinkHandler(logging.Handler):
    """Troubles of what takes the lines (a full disk, a pipe that nobody reads) cost lines, and never hold us up."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._outlet = Outlet(sink, self._lost)
        self._writer = LineWriter()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self._bytes(record)
        except Exception:  # noqa: BLE001 (logging's own way: a record that can't be put into words is said as a fault)
            self.handleError(record)
        else:
            self._writer.put(self._outlet, line)

    def close(self) -> None:
        """Have what was said written, as far as the disk takes it within a second."""
        self._writer.close(self._outlet)
        self._writer.end(CLOSE_WITHIN)
        super().close()

    def _lost(self, lines: int) -> bytes:
        text = f"{lines} lines before this one could not be written"
        return self._bytes(logging.makeLogRecord({"levelname": "WARNING", "msg": text}))

    def _bytes(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="replace")


def open_log(fleet: Fleet) -> None:
    """
    Send this process's log records to its file, or as JSON lines to standard output with `log.dir: none`.

    Raises:
        OSError: what is in the place of the file is none of ours, so that no line would ever be seen.
    """
    log = fleet.log
    handler: logging.Handler
    if log.dir is None:
        handler = _SinkHandler(StreamSink(sys.stdout.fileno()))
    else:
        path = log.dir / NAME
        if os.path.lexists(path):
            os.close(open_private(path, os.O_RDWR | os.O_APPEND))
        handler = _SinkHandler(RotatingFile(os.fspath(path), log.max_bytes, max(1, log.backups)))
    as_json = log.dir is None or log.format == "json"
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    # Its lines show requests, and in those tokens and cookies may stand; what matters `api.http_connection` says.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL + 1)
