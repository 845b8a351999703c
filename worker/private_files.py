"""Opens files that nobody else may have a hand in: through no link, and never waiting at a pipe. Shell."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final, Literal

Fault = Literal["link", "not_plain", "foreign", "shared"]
"""Why a file is not opened."""

_WORDS: Final[dict[Fault, str]] = {
    "link": "it is a symbolic link",
    "not_plain": "it is not a plain file",
    "foreign": "it belongs to another user",
    "shared": "other users may write to it",
}
SHARED: Final = stat.S_IWGRP | stat.S_IWOTH
_FLAGS: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NotPrivate(OSError):
    """The file is there, and not one of ours. An `OSError`, so that who tells the system's reasons tells this one."""

    def __init__(self, fault: Fault, path: str | os.PathLike[str]) -> None:
        self.fault: Fault = fault
        super().__init__(errno.EPERM, _WORDS[fault], os.fspath(path))


def open_private(path: str | os.PathLike[str], flags: int, also: frozenset[int] = frozenset()) -> int:
    """
    Return a descriptor of a plain file that is this user's (or root's) and that nobody else may write to.

    A pipe or a device in its place is refused and never waited for. A file that is made has mode 0600.

    Args:
        flags: As `os.open` takes them; not `O_TRUNC`, which would empty the file before it is looked at.
        also: Further users whose file it may be.

    Raises:
        OSError: `NotPrivate`, or what the system says.
    """
    try:
        fd = os.open(path, flags | _FLAGS, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotPrivate("link", path) from None
        if error.errno == errno.ENXIO:  # a pipe that nobody reads, or a socket
            raise NotPrivate("not_plain", path) from None
        raise
    fault = _fault(os.fstat(fd), also | {os.geteuid(), 0})
    if fault is not None:
        os.close(fd)
        raise NotPrivate(fault, path)
    return fd


def _fault(found: os.stat_result, owners: frozenset[int]) -> Fault | None:
    if not stat.S_ISREG(found.st_mode):
        return "not_plain"
    if found.st_uid not in owners:
        return "foreign"
    return "shared" if found.st_mode & SHARED else None


def read_private(path: str | os.PathLike[str], also: frozenset[int] = frozenset()) -> bytes:
    """Return what is in such a file. Raises `OSError` as `open_private` does."""
    with open(open_private(path, os.O_RDONLY, also), "rb") as file:
        return file.read()
