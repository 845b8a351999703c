"""A user's lock among all fleets of one machine: whoever has it may dial for him, or log him in. Shell.

One file per user, locked as long as its descriptor is open: the kernel lets go of it with the process, also with one
that outlives its supervisor. The file goes when its holder ends; what a killed one left is removed at the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from xyfleet.worker.private_files import open_private


class UserLock:
    """One holder's side of it. Nothing in here waits."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        """None: nobody else is asked."""
        self._fd: int | None = None

    def take(self) -> bool:
        """
        Take the lock, or say that somebody else has it.

        A folder in which no lock can be made stops nobody: then it is as if it were taken.
        """
        if self._path is None or (self._fd is not None and self._is_ours(self._fd)):
            return True
        self._drop()
        try:
            fd = self._open(self._path)
        except OSError:
            return True
        try:
            if not _locked(fd):
                os.close(fd)
                return False
        except OSError:  # a share that knows no locks
            os.close(fd)
            return True
        self._fd = fd
        if self._is_ours(fd):
            self._sign(fd)
            return True
        return self.take()  # whoever had it removed the file meanwhile

    def _sign(self, fd: int) -> None:
        """Write down who has it; on a full disk it is held all the same, by nobody knows whom."""
        with contextlib.suppress(OSError):
            os.truncate(fd, 0)
            os.write(fd, str(os.getpid()).encode())

    def release(self) -> None:
        """Let go of it, and leave no file behind."""
        if self._fd is not None and self._path is not None and self._is_ours(self._fd):
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self._drop()

    def holder(self) -> int | None:
        """Return the process that has the lock, as it says itself."""
        try:
            fd = open_private(self._path or "", os.O_RDONLY)
            try:
                return int(os.read(fd, 20))
            finally:
                os.close(fd)
        except (OSError, ValueError):
            return None

    def _open(self, path: str) -> int:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        return open_private(path, os.O_RDWR | os.O_CREAT)

    def _is_ours(self, fd: int) -> bool:
        """Whether the file is still the one that others would lock."""
        try:
            found = os.stat(self._path or "")
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (os.fstat(fd).st_dev, os.fstat(fd).st_ino)

    def _drop(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
