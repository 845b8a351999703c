"""`xyfleet logs`: the end of one account's log file, and what is added to it. Shell."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import BinaryIO, Final

import click

from xyfleet.supervisor.cli.base import FAILURE, OK, Failure, Setup, common
from xyfleet.supervisor.common.i18n import _
from xyfleet.worker.text import printable

LINES: Final = 50
LOOK_EVERY: Final = 0.25
"""Seconds between two looks at a followed file."""
_END: Final = ".log"
_BEATS_END: Final = ".beats.log"
_BLOCK: Final = 65536


@click.command(help=_("Show the last 50 lines of an account's log."))
@click.argument("name")
@click.option("--beats", is_flag=True, help=_("Show the heartbeats, which have a file of their own."))
@click.option("-f", "--follow", is_flag=True, help=_("Go on with what is added, until Ctrl-C."))
@common
@click.pass_obj
def logs(setup: Setup, name: str, beats: bool, follow: bool) -> int:
    """Show the end of a log file."""
    path = json.loads(setup.client().get(f"/v1/logs/{name}").body)["path"]
    if path is None:
        raise Failure(FAILURE, _("log.dir is none: log lines go to the supervisor's standard output, not to files"))
    if beats:
        path = path.removesuffix(_END) + _BEATS_END
    file = _open(path)
    if file is None and not follow:
        click.echo(_("no log lines yet in %(path)s") % {"path": path}, err=True)
        return OK
    if file is not None:
        _put(_last_lines(file))
    if follow:
        _follow(path, file)
    return OK


def _open(path: str) -> BinaryIO | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failure(FAILURE, f"{path}: {error.strerror}") from None


def _last_lines(file: BinaryIO) -> bytes:
    """Return the last lines, read backwards in blocks; the file stands at its end afterwards."""
    position = file.seek(0, os.SEEK_END)
    data = b""
    while position > 0 and data.count(b"\n") <= LINES:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        data = file.read(step) + data
    file.seek(0, os.SEEK_END)
    return b"".join(data.splitlines(keepends=True)[-LINES:])


def _follow(path: str, file: BinaryIO | None) -> None:
    while True:
        if file is not None:
            _go_back_if_cut(file)
            _put(file.read())
        if file is None or _was_rotated(path, file):
            newer = _open(path)
            if newer is not None:
                if file is not None:
                    _put(file.read())
                    file.close()
                file = newer
                continue
        time.sleep(LOOK_EVERY)


def _was_rotated(path: str, file: BinaryIO) -> bool:
    try:
        return os.stat(path).st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False  # between two renames


def _go_back_if_cut(file: BinaryIO) -> None:
    """Begin anew in a file that was copied and cut to nothing (logrotate's copytruncate)."""
    if os.fstat(file.fileno()).st_size < file.tell():
        file.seek(0)


def _put(data: bytes) -> None:
    """Show what is in the file; a terminal does not get what it would obey, a pipe gets each byte as it is."""
    if not data:
        return
    if sys.stdout.isatty():
        sys.stdout.write(printable(data.decode("utf-8", "replace")))
    else:
        sys.stdout.buffer.write(data)
    sys.stdout.flush()
