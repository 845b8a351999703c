"""Which folders a fleet may put its things in: its user's own, where nobody else can exchange or read them. Shell.

A folder that is there is never changed: it may be others' too. One that is made has mode 0700.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common.i18n import N_, _
from xyfleet.supervisor.common.paths import PathRefused
from xyfleet.worker.private_files import Fault, NotPrivate

_FAULTS: Final[dict[Fault, str]] = {
    "link": N_("it is a symbolic link"),
    "not_plain": N_("it is not a plain file (a folder, a pipe or a device)"),
    "foreign": N_("it belongs to another user"),
    "shared": N_("other users may write to it"),
}
_SYSTEM: Final = frozenset(
    Path(name)
    for name in (
        *("/", "/bin", "/boot", "/dev", "/dev/shm", "/etc", "/home", "/lib", "/lib32", "/lib64", "/proc", "/run"),
        *("/run/lock", "/run/user", "/sbin", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/sbin"),
        *("/usr/share", "/var", "/var/backups", "/var/cache", "/var/lib", "/var/local", "/var/lock", "/var/log"),
        *("/var/mail", "/var/opt", "/var/run", "/var/spool", "/var/tmp"),
    )
)
"""Folders of the whole machine; with modes of ours its other programs would stand outside."""


def reason(error: OSError) -> str:
    """Return, in this process's language, why a file or folder can't be had."""
    return _(_FAULTS[error.fault]) if isinstance(error, NotPrivate) else error.strerror or str(error)


def owners(file: Path) -> frozenset[int]:
    """
    Return the users whose folders a fleet trusts: its own, root, and who owns its accounts file.

    That file names the programs which the fleet runs, so its owner needs no folder to get at the fleet.
    """
    trusted = frozenset((os.geteuid(), 0))
    with contextlib.suppress(OSError):  # the file is gone: a running fleet needs it no more
        trusted |= {file.stat().st_uid}
    return trusted


def make_private(folder: Path, trusted: frozenset[int]) -> None:
    """
    Make a folder that only its owner can enter, or take one that is there as it is.

    Args:
        folder: An absolute path.
        trusted: Users who may own it or what it lies in.

    Raises:
        PathRefused: it can't be made, or others have a hand in it.
    """
    _refuse(folder, trusted)  # nothing is made in others' folders
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        text = _("cannot use the folder %(path)s: %(why)s")
        raise PathRefused(text % {"path": folder, "why": reason(error)}) from None
    _refuse(folder, trusted)  # somebody else may have made it meanwhile


def _refuse(folder: Path, trusted: frozenset[int]) -> None:
    refuse_shared(folder)
    refuse_foreign(folder, trusted)


def refuse_shared(folder: Path) -> None:
    """Raise `PathRefused` for a folder of the whole machine, or one that others may write to; it need not be there."""
    if folder in _SYSTEM or Path(os.path.realpath(folder)) in _SYSTEM:
        text = _("%(path)s is a folder of the whole machine; give xyfleet one of its own, such as %(own)s")
        raise PathRefused(text % {"path": folder, "own": folder / "xyfleet"})
    ends = (folder, Path(os.path.realpath(folder)))
    for path, found in _existing(folder):
        if not _is_shared(found) or (path not in ends and found.st_mode & stat.S_ISVTX):
            continue
        text = _(
            "other users may write to %(path)s, and so exchange what xyfleet keeps there; "
            "run: chmod go-w %(path)s, or give xyfleet a folder elsewhere"
        )
        raise PathRefused(text % {"path": path})


def refuse_foreign(folder: Path, trusted: frozenset[int]) -> None:
    """Raise `PathRefused` for a folder that others own, or could exchange; it need not be there."""
    trusted |= _outside()
    for path, found in _existing(folder):
        if found.st_uid in trusted:
            continue
        text = _(
            "%(path)s belongs to another user (uid %(uid)d), who could exchange what xyfleet keeps there; "
            "give xyfleet a folder of its own user, or start it as that user"
        )
        raise PathRefused(text % {"path": path, "uid": found.st_uid})


def _outside() -> frozenset[int]:
    """Return the number that stands for every owner outside of this user namespace; none where there is no other."""
    try:
        spans = Path("/proc/self/uid_map").read_bytes().splitlines()
        whole = sum(int(span.split()[2]) for span in spans) >= 2**32 - 1
        return frozenset() if whole else frozenset((int(Path("/proc/sys/kernel/overflowuid").read_bytes()),))
    except OSError:
        return frozenset()


def _is_shared(found: os.stat_result) -> bool:
    """Whether others than the owner may write; a group of the user's own (same number) or given by root is none."""
    if stat.S_ISLNK(found.st_mode):
        return False  # its mode says nothing: who may exchange it is said by the folder that it is in
    group = found.st_mode & stat.S_IWGRP and found.st_gid != found.st_uid and found.st_uid != 0
    return bool(group or found.st_mode & stat.S_IWOTH)


def _existing(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """Return the folder and all that it lies in, by its name and by where links lead, as far as it is there."""
    seen: set[Path] = set()
    found: list[tuple[Path, os.stat_result]] = []
    for path in (folder, Path(os.path.realpath(folder))):
        for one in (path, *path.parents):
            if one not in seen:
                seen.add(one)
                with contextlib.suppress(OSError):
                    found.append((one, os.lstat(one)))
    return found
