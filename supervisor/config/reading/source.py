"""Reads a settings file as text, or says plainly why it can't be one. Shell (reads files)."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Final, NamedTuple

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.reading.problems import At, BadFile, problem

MAX_BYTES: Final = 32 * 1024 * 1024
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")


class Source(NamedTuple):
    """A file's text."""

    text: str
    size: int
    """Bytes."""
    shared: bool
    """Whether the file's group or others can read it."""


def read(path: Path, at: At, limit: int = MAX_BYTES) -> Source:
    """
    Return the file's text without a byte order mark.

    Args:
        at: the place to blame: the file itself, or the setting that names it.
        limit: most bytes.

    Raises:
        BadFile: the file is missing, unreadable, not a plain file, too large, or no UTF-8 text.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(at, error) from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise _not_plain(at, status.st_mode)
        with open(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _unreadable(at, error) from None
    finally:
        os.close(handle)
    if len(data) > limit:
        message = _("is larger than %(limit)s bytes") % {"limit": limit}
        raise BadFile([problem(at, message, _("is this the right file?"))])
    return Source(decode(data, at), len(data), bool(status.st_mode & 0o044))


def decode(data: bytes, at: At) -> str:
    """Return the text of UTF-8 bytes, or raise `BadFile` with a hint at what they are instead."""
    utf8 = _("save it as UTF-8 (in the editor: Save as, Encoding: UTF-8)")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadFile([problem(at, _("is saved as UTF-16 (“Unicode” in Notepad)"), utf8)])
    if b"\0" in data:
        raise BadFile([problem(at, _("is not a text file"), _("is this the right file?"))])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        there = at if at.key else at._replace(line=data.count(b"\n", 0, error.start) + 1)
        if _is_gbk(data):
            raise BadFile([problem(there, _("is saved as GBK (“ANSI” in Notepad), not UTF-8"), utf8)]) from None
        raise BadFile([problem(there, _("holds bytes that are not UTF-8 text"), utf8)]) from None
    control = _CONTROL.search(text)
    if control:
        there = at if at.key else at._replace(line=text.count("\n", 0, control.start()) + 1)
        raise BadFile([problem(there, _("holds an invisible control character"), _("type this line anew"))])
    return text


def _is_gbk(data: bytes) -> bool:
    try:
        return _CHINESE.search(data.decode("gb18030")) is not None
    except UnicodeDecodeError:
        return False


def _unreadable(at: At, error: OSError | ValueError) -> BadFile:
    if isinstance(error, FileNotFoundError):
        begin = _("check the path; accounts.example.yml is a file to begin with")
        return BadFile([problem(at, _("no such file"), _("check the path") if at.key else begin)])
    if isinstance(error, PermissionError):
        return BadFile([problem(at, _("may not be read by this user"), _("check the file's owner and mode (chmod)"))])
    reason = os.strerror(error.errno or errno.EIO) if isinstance(error, OSError) else _("not a path")
    return BadFile([problem(at, _("can't be read: %(reason)s") % {"reason": reason}, _("check the path"))])


def _not_plain(at: At, mode: int) -> BadFile:
    what = _("is a folder") if stat.S_ISDIR(mode) else _("is not a plain file (a pipe or a device)")
    return BadFile([problem(at, what, _("name a text file"))])
