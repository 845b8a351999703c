"""Which order got which keys: a line each in a file that only grows, and the files that keys are taken from. Shell.

A key is used from the moment its line is on disk, in one write and one fsync, before anybody hears of it. Only then it
is taken out of its own file; if a crash comes in between, the line is there, and the key is passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

_TAB: Final = b"\t"
_END: Final = b"\n"
_BOM: Final = b"\xef\xbb\xbf"


class OutOfKeys(Exception):
    """There are fewer keys than were bought; none was taken."""


class BadKeys(Exception):
    """A key can't be read; none was taken."""


class Sale(NamedTuple):
    """Who gets keys, and for which message."""

    order: str
    account: str
    message: str
    """Id of the message that asks: asked again for the same one, after a crash, it gets the same keys."""


class Taken(NamedTuple):
    """The keys of an order."""

    keys: tuple[str, ...]
    left: int | None = None
    """How many keys there are still; None: none were taken this time."""


class Ledger:
    """
    The file of all deliveries, for all accounts of the fleet.

    Each line has the time, the order, the account, the message's id, the number of the key in its order and the key,
    with tabs in between; `-` where everybody gets the same.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, sale: Sale, cards: Path | None, count: int) -> Taken | None:
        """
        Return the keys of an order, new ones where it has none yet; None = another message of it has got them.

        Args:
            cards: The file with the keys, one a line; None: there are none to take.

        Raises:
            OutOfKeys: there are not enough.
            BadKeys: one of those whose turn it is can't be read.
            OSError: a file can't be read or written.
        """
        with self._open() as file:
            data = file.read()
            held = list(_lines_of(data, sale.order))
            if any(line.message != sale.message for line in held):
                return None
            keys = [line.key for line in held]
            if len(keys) >= count:
                return Taken(tuple(keys))
            gone = _used(data)
            found = None if cards is None else _unused(cards, gone)
            new = ["-"] * (count - len(keys)) if found is None else _read(cards, found[: count - len(keys)])
            if len(keys) + len(new) < count:
                raise OutOfKeys(f"{count} keys are wanted, {len(new)} are left")
            self._write(file, sale, new, (len(keys), count))
            if cards is None or found is None:
                return Taken((*keys, *new), None)
            _take_out(cards, gone | {key.encode() for key in new})
            return Taken((*keys, *new), len(found) - len(new))

    def holder(self, order: str) -> str | None:
        """Return the id of the message whose order it is that has keys; None = nobody has. Raises OSError."""
        with self._open() as file:
            return next((line.message for line in _lines_of(file.read(), order)), None)

    @contextlib.contextmanager
    def _open(self) -> Iterator[_Appender]:
        """Open the file for one at a time, without what a crash left of a line."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield _Appender(fd)
        finally:
            os.close(fd)

    def _write(self, file: _Appender, sale: Sale, keys: list[str], numbers: tuple[int, int]) -> None:
        now = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        before, count = numbers
        lines = [
            "\t".join((now, sale.order, sale.account, sale.message, f"{number}/{count}", key))
            for number, key in enumerate(keys, before + 1)
        ]
        file.append("".join(f"{line}\n" for line in lines).encode())
        _sync_folder(self._path.parent)


class _Appender:
    """A locked file that whole lines are put behind."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self) -> bytes:
        """Return all whole lines; cut off what a crash left of another one."""
        size = os.fstat(self._fd).st_size
        data = b""
        while len(data) < size and (piece := os.pread(self._fd, size - len(data), len(data))):
            data += piece
        whole = data.rfind(_END) + 1
        if whole < len(data):
            os.ftruncate(self._fd, whole)
        return data[:whole]

    def append(self, lines: bytes) -> None:
        """Put lines behind the others, for good."""
        while lines:
            lines = lines[os.write(self._fd, lines) :]
        os.fsync(self._fd)


class _Line(NamedTuple):
    message: str
    key: str


def _lines_of(data: bytes, order: str) -> Iterator[_Line]:
    """Yield the lines of an order."""
    wanted = _TAB + order.encode() + _TAB
    at = data.find(wanted)
    while at >= 0:
        end = data.index(_END, at)
        fields = data[data.rfind(_END, 0, at) + 1 : end].split(_TAB, 5)
        if len(fields) == 6 and fields[1] == order.encode():
            yield _Line(fields[3].decode(), fields[5].decode())
        at = data.find(wanted, end)


def _used(data: bytes) -> set[bytes]:
    """Return all keys that lines have."""
    return {fields[5] for line in data.split(_END) if len(fields := line.split(_TAB, 5)) == 6}


def _unused(cards: Path, gone: set[bytes]) -> list[bytes]:
    """Return the keys of a file that are not gone, each once."""
    lines = cards.read_bytes().removeprefix(_BOM).splitlines()
    keys = dict.fromkeys(stripped for line in lines if (stripped := line.strip()))
    return [key for key in keys if key not in gone]


def _read(cards: Path | None, keys: list[bytes]) -> list[str]:
    """Return keys as texts; what comes behind them in their file may be read another day."""
    try:
        return [key.decode() for key in keys]
    except UnicodeDecodeError:
        name = "" if cards is None else cards.name
        raise BadKeys(f"{name} is not UTF-8: save it anew in that encoding") from None


def _take_out(cards: Path, keys: set[bytes]) -> None:
    """
    Write a file anew without these keys, whole or not at all. What somebody put behind it meanwhile stays.

    Where somebody else has written it meanwhile, his file stays as it is: used keys are passed over wherever they
    stand, and leave it with the next ones.
    """
    cards = cards.resolve()  # a link stays one
    with cards.open("rb") as old:
        before = os.fstat(old.fileno())
        fresh = cards.with_name(f".{cards.name}.new")
        with fresh.open("wb") as new:
            os.fchmod(new.fileno(), before.st_mode & 0o7777)
            new.write(_without(old.read(), keys))
            new.flush()
            os.fsync(new.fileno())
            if _version(cards.stat()) != _version(before):
                fresh.unlink()
                return
            os.replace(fresh, cards)
            new.write(old.read())
    _sync_folder(cards.parent)


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _without(data: bytes, keys: set[bytes]) -> bytes:
    lines = data.removeprefix(_BOM).splitlines(keepends=True)
    return b"".join(line for line in lines if line.strip() not in keys)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
