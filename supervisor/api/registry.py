"""The records by which another terminal finds a running fleet. Shell.

One small JSON file per fleet in the user's own state home. A record proves nothing by itself: the fleet lives as long
as its supervisor holds the lock that the record names, so what a killed supervisor left behind is recognised.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from xyfleet.worker.private_files import open_private, read_private


class Record(NamedTuple):
    """Where a fleet's supervisor is to be found. Paths are absolute."""

    name: str
    pid: int
    socket: str
    file: str
    lock: str
    language: str | None = None
    """`fleet.language` of its file, so that its texts are right even when it does not answer."""


class NoFleet(Exception):
    """No running fleet fits; `wanted` is what was asked for, None = any."""

    def __init__(self, wanted: str | None) -> None:
        self.wanted = wanted
        super().__init__(wanted)


class SeveralFleets(Exception):
    """More than one fleet runs here and none was named."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        super().__init__(records)


def fleet_records_dir(env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the records: `$XDG_STATE_HOME/xyfleet/fleets`, by default under `~/.local/state`."""
    home = env.get("XDG_STATE_HOME", "")
    # The XDG specification wants relative paths ignored.
    base = Path(home) if os.path.isabs(home) else Path(os.path.expanduser("~/.local/state"))
    return base / "xyfleet" / "fleets"


def write_record(record: Record, folder: Path | None = None) -> Path:
    """Store a record (temp, fsync, rename; mode 0600) and return its path. Raises OSError."""
    folder = folder or fleet_records_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{record.name}.json"
    temporary = folder / f".{record.name}.{os.urandom(8).hex()}"
    try:
        with open(open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w", encoding="utf-8") as file:
            json.dump(record._asdict(), file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def remove_record(record: Record, folder: Path | None = None) -> None:
    """Remove a record, unless another supervisor has written its own in its place."""
    path = (folder or fleet_records_dir()) / f"{record.name}.json"
    if _read(path) == record:
        path.unlink(missing_ok=True)


def read_records(folder: Path | None = None) -> list[Record]:
    """Return all records by name, stale ones included; what is torn, another user's or no record is left out."""
    paths = sorted((folder or fleet_records_dir()).glob("*.json"))
    return [record for path in paths if (record := _read(path)) is not None]


def users(folder: Path | None = None) -> frozenset[int]:
    """Return the users whose records and fleets are believed: this one, root, and whose the folder of records is."""
    with contextlib.suppress(OSError):
        return frozenset((os.geteuid(), 0, (folder or fleet_records_dir()).stat().st_uid))
    return frozenset((os.geteuid(), 0))


def _read(path: Path) -> Record | None:
    try:
        values = json.loads(read_private(path, users(path.parent)))
        record = Record(**{field: values[field] for field in Record._fields if field in values})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    texts = (record.name, record.socket, record.file, record.lock)
    return record if isinstance(record.pid, int) and all(isinstance(text, str) for text in texts) else None


def is_live(record: Record) -> bool:
    """
    Say whether a supervisor holds the record's lock.

    The look takes a shared lock for some microseconds; a supervisor that starts in that very moment tries again.
    """
    try:
        fd = os.open(record.lock, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return True  # somebody else's; whoever calls next gets the system's own refusal
    except OSError:
        return False
    with contextlib.closing(os.fdopen(fd)):
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _real(path: str) -> str | None:
    """Return what a path means, None when that depends on a working folder that is gone."""
    try:
        return os.path.realpath(path)
    except FileNotFoundError:
        return None


def find(wanted: str | None, folder: Path | None = None) -> Record:
    """
    Return the running fleet that `wanted` means: its name or the path of its accounts file; None = the only one.

    Raises:
        NoFleet: none that runs fits.
        SeveralFleets: nothing was asked for and several run.
    """
    records = read_records(folder)
    if wanted is not None:
        path = _real(wanted)
        records = [record for record in records if wanted == record.name or path == os.path.realpath(record.file)]
    live = [record for record in records if is_live(record)]
    if not live:
        raise NoFleet(wanted)
    if len(live) > 1 and wanted is None:
        raise SeveralFleets(live)
    return live[0]
