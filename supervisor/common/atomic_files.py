"""Files that are whole or not there: atomic writes off the event loop, and the last good version kept. Shell.

A write goes to a temporary file, fsync, rename, fsync of the folder; the version before stays as `<file>.bak`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

from xyfleet.supervisor.common.private_folders import reason
from xyfleet.worker.private_files import open_private, read_private

T = TypeVar("T")
_log: Final = logging.getLogger("xyfleet.store")


class Unusable(Exception):
    """A decoder's verdict: these bytes are torn, or none of ours."""


class Loaded(NamedTuple, Generic[T]):
    """What `read` found."""

    value: T | None
    """The decoded value; None = there is no good version."""
    torn: bool
    """Whether the file itself was there and unusable (the value, if any, is the version before)."""


def read(path: Path, decode: Callable[[bytes], T]) -> Loaded[T]:
    """Return the newest good version of a file. `decode` raises `Unusable`; other errors and `OSError` go through."""
    torn = False
    for candidate in (path, backup(path)):
        try:
            return Loaded(decode(read_private(candidate)), torn)
        except FileNotFoundError:
            continue
        except Unusable:
            torn = True
    return Loaded(None, torn)


def backup(path: Path) -> Path:
    """Return where the version before is kept."""
    return path.with_name(path.name + ".bak")


def write(path: Path, data: bytes, *, keep: bool = True) -> None:
    """Replace a file's content so that a crash at any point leaves a whole version for `read`. Raises `OSError`.

    `keep`: what is there is good, so it becomes the version before.
    """
    # A name that nobody can know beforehand, and new: what lies in its place is never written to.
    temporary = path.with_name(f"{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        if keep:
            with contextlib.suppress(FileNotFoundError):  # The first version ever.
                os.replace(path, backup(path))
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()  # A full disk gets its space back; the error that counts is raised.
        raise


def temporaries(folder: Path, name: str | None = None) -> list[Path]:
    """Return what writes left in a folder that a crash cut off: of the file with this name, or of all. `OSError`."""
    file = ".+" if name is None else re.escape(name)
    # Older versions called it `<file>.tmp`.
    ours = re.compile(rf"{file}\.([0-9a-f]{{16}}\.)?tmp")
    return [path for path in folder.iterdir() if ours.fullmatch(path.name)] if folder.is_dir() else []


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder lasting."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Writer:
    """A thread that writes files in the order in which they were given; of several versions only the newest.

    What can't be written is kept and tried again every `retry` seconds: nothing is lost but with the process.
    """

    def __init__(self, *, retry: float = 5.0) -> None:
        self.trouble: str | None = None
        """Why the last round failed, for people; None = all is well."""
        self._retry = retry
        self._pending: dict[Path, bytes | None] = {}
        """None: the file is to be deleted."""
        self._batch: dict[Path, bytes | None] = {}
        """What is yet to be written of what is being written just now."""
        self._waiting: dict[Path, list[Future[bool]]] = {}
        self._torn: set[Path] = set()
        self._busy = False
        self._removals = 0
        """Files that are being deleted: nothing is written meanwhile."""
        self._stopping = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, path: Path, data: bytes | None) -> None:
        """Have a file written soon, behind all that was given before; None: have it deleted, in all its versions."""
        with self._change:
            self._pending.pop(path, None)
            self._pending[path] = data
            self._change.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="xyfleet-state", daemon=True)
                self._thread.start()

    def done(self, path: Path) -> Future[bool]:
        """Return what says when a file is on disk as it was given last; False as soon as the disk refuses it."""
        told: Future[bool] = Future()
        told.set_running_or_notify_cancel()  # who waits may go away; the thread that tells must not mind
        with self._change:
            if path in self._pending or path in self._batch:
                self._waiting.setdefault(path, []).append(told)
            else:
                told.set_result(True)
        return told

    def given(self, path: Path) -> bytes | None:
        """Return what a file will hold as soon as all is written, None if nothing is on its way."""
        with self._change:
            return self._pending.get(path, self._batch.get(path))

    def mark_torn(self, path: Path) -> None:
        """The file as it is must not become the version before."""
        self._torn.add(path)

    def remove(self, path: Path) -> tuple[list[str], str | None]:
        """Delete a file with the version before and what a crash left of a write; nothing of it is written later.

        Returns the paths that are gone now, and what the system said about one that could not go. Blocks for as long
        as the write under way takes; whoever puts a file meanwhile does not.
        """
        with self._change:
            self._change.wait_for(lambda: not self._busy)
            self._removals += 1
            self._pending.pop(path, None)
            self._torn.discard(path)
            _tell_all(self._waiting.pop(path, ()), on_disk=False)
        try:
            return _delete(path)
        finally:
            with self._change:
                self._removals -= 1
                self._change.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until all is on disk; return False when it is not: time over, or the disk refuses."""
        with self._change:
            self._change.wait_for(lambda: self._idle() or self.trouble is not None, timeout)
            return self._idle()

    def stop(self, timeout: float) -> bool:
        """Write what is left, once more if need be, and end the thread; return whether all is on disk."""
        with self._change:
            self._stopping = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)
        return self._idle()

    def _idle(self) -> bool:
        return not self._pending and not self._busy

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: (self._pending or self._stopping) and not self._removals)
                self._batch, self._pending = self._pending, {}
                self._busy = True
                last = self._stopping
            failed = self._write(self._batch)
            with self._change:
                self._pending = {
                    path: data for path, data in failed.items() if path not in self._pending
                } | self._pending
                self._batch = {}
                self._busy = False
                self._change.notify_all()
                if self._stopping and (not self._pending or (failed and last)):
                    return
                if failed:
                    self._change.wait_for(lambda: self._stopping, self._retry)

    def _write(self, batch: dict[Path, bytes | None]) -> dict[Path, bytes | None]:
        """Write a batch; return what is to be tried again."""
        failed: dict[Path, bytes | None] = {}
        trouble = None
        for path, data in list(batch.items()):
            try:
                if data is None:
                    for each in _versions(path):
                        each.unlink(missing_ok=True)
                else:
                    write(path, data, keep=path not in self._torn)
                self._torn.discard(path)
            except OSError as error:
                failed[path] = data
                trouble = f"{path.name}: {reason(error)}"
            with self._change:
                if path not in failed:
                    del batch[path]  # who asks from now on waits for none of the others
                if path not in self._pending:  # else a newer version is awaited
                    _tell_all(self._waiting.pop(path, ()), on_disk=path not in failed)
        self._tell(trouble)
        return failed

    def _tell(self, trouble: str | None) -> None:
        if trouble is not None and self.trouble is None:
            _log.error("state can't be saved, trying again every %.0f s: %s", self._retry, trouble)
        elif trouble is None and self.trouble is not None:
            _log.warning("state is saved again")
        self.trouble = trouble


def _delete(path: Path) -> tuple[list[str], str | None]:
    deleted, trouble = [], None
    for each in _versions(path):
        try:
            with contextlib.suppress(FileNotFoundError):
                each.unlink()
                deleted.append(str(each))
        except OSError as error:
            trouble = f"{each}: {error.strerror}"
    return deleted, trouble


def _versions(path: Path) -> list[Path]:
    """Return all that there may be of a file, and what crashes left of its writes."""
    return [path, backup(path), *temporaries(path.parent, path.name)]


def _tell_all(waiting: Iterable[Future[bool]], *, on_disk: bool) -> None:
    for each in waiting:
        each.set_result(on_disk)
