"""The supervisor's own log file, `supervisor.log` beside the workers'. Shell."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from logging.handlers import RotatingFileHandler
from typing import Final

from xyfleet.supervisor.settings import Fleet

NAME: Final = "supervisor.log"
FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {"time": f"{stamp}.{int(record.msecs):03d}Z", "level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _PatientFile(RotatingFileHandler):
    """A log file whose troubles (a full disk) cost lines, never the program and never the terminal's sense."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


def open_log(fleet: Fleet) -> None:
    """Send this process's log records to its file, or as JSON lines to standard output with `log.dir: none`."""
    log = fleet.log
    handler: logging.Handler
    if log.dir is None:
        handler = logging.StreamHandler(sys.stdout)
    else:
        path = os.fspath(log.dir / NAME)
        handler = _PatientFile(path, maxBytes=log.max_bytes, backupCount=max(1, log.backups), delay=True)
    as_json = log.dir is None or log.format == "json"
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter(FORMAT))
    os.umask(0o077)  # log files, like everything else of ours, are their owner's only
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
