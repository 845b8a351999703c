"""Takes what only one fleet at a time may have: its folders and locks, its name, its port; or refuses. Shell."""

from __future__ import annotations

import contextlib
import errno
import os
import socket as socket_module
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xyfleet.supervisor.api import registry
from xyfleet.supervisor.api.tcp_listener import ListenRefused, TcpListener, open_listener
from xyfleet.supervisor.common import paths, private_folders
from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.common.user_locks import sweep
from xyfleet.supervisor.runtime import instance_lock
from xyfleet.supervisor.settings import Settings

FAILURE: Final = 1
USAGE: Final = 2
_NOBODY: Final = frozenset((errno.ENOENT, errno.ECONNREFUSED))
"""What a connection to a socket says that is not there, or was left by a fleet that is gone."""


class StartRefused(Exception):
    """The fleet can't be started; the text is for people, the code is the exit code."""

    def __init__(self, text: str, code: int = FAILURE) -> None:
        self.code = code
        super().__init__(text)


def claim(
    settings: Settings, env: Mapping[str, str], stack: contextlib.ExitStack
) -> tuple[Path, Path, tuple[instance_lock.Lock, ...]]:
    """
    Make the folders and take the locks, of the state and of the run folder, or refuse.

    Returns the run folder, the control socket and the locks.
    """
    fleet = settings.fleet
    trusted = private_folders.owners(settings.path)
    try:
        folder = paths.run_dir(fleet, env, os.geteuid())
        socket = paths.control_socket(folder)
        private_folders.make_private(fleet.state_dir, trusted)
        if fleet.log.dir is not None:
            private_folders.make_private(fleet.log.dir, trusted)
        _refuse_same_name(fleet.name, settings.path, fleet.state_dir / "lock")
        lock = _lock(fleet.state_dir / "lock", fleet.name, stack)
        private_folders.make_private(folder, trusted)
        _refuse_taken(folder, socket)
        locks = (lock, _lock(folder / "lock", fleet.name, stack))
        _clear_leftovers(folder)
    except (paths.PathRefused, instance_lock.AlreadyRunning) as refusal:
        raise StartRefused(str(refusal)) from None
    return folder, socket, locks


def _lock(path: Path, name: str, stack: contextlib.ExitStack) -> instance_lock.Lock:
    try:
        lock = instance_lock.Lock(path, name)
    except OSError as error:
        raise unusable(path, error) from None
    stack.callback(lock.release)
    return lock


def _clear_leftovers(folder: Path) -> None:
    try:
        paths.clear_leftovers(folder)
    except OSError as error:
        raise unusable(Path(error.filename or folder), error) from None


def _refuse_taken(folder: Path, control: Path) -> None:
    """Refuse a run folder in which a fleet listens: its socket would be taken from it, and its messages with it."""
    with socket_module.socket(socket_module.AF_UNIX, socket_module.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(os.fspath(control)) in _NOBODY:
            return
    text = _("another fleet is running in the run folder %(path)s; stop it, or give this one a name of its own")
    raise StartRefused(text % {"path": folder})


def unusable(path: Path, error: OSError) -> StartRefused:
    """Return the refusal for a file or folder that the system does not give."""
    return StartRefused(_("cannot use %(path)s: %(why)s") % {"path": path, "why": private_folders.reason(error)})


def _refuse_same_name(name: str, file: Path, lock: Path) -> None:
    """Two running fleets of one name could not be told apart by any command, and share a state folder by default."""
    for record in registry.read_records():
        if record.name != name or not registry.is_live(record):
            continue
        if os.path.realpath(record.file) != os.path.realpath(file):
            text = _(
                "another fleet of the name %(name)s is running (pid %(pid)s), that of %(file)s; give this one a name of"
                " its own (fleet: {name: …}), or stop that one: xyfleet --fleet %(name)s stop"
            )
            raise StartRefused(text % {"name": name, "pid": record.pid, "file": record.file})
        if Path(record.lock) != lock:
            raise instance_lock.AlreadyRunning(name, record.pid)


def write_record(record: registry.Record, stack: contextlib.ExitStack) -> None:
    """Let other terminals find the fleet, until the stack ends."""
    try:
        registry.write_record(record)
    except OSError as error:
        text = _("other terminals will not find this fleet by itself, its record can't be written: %(why)s")
        sys.stderr.write(f"xyfleet: {text % {'why': private_folders.reason(error)}}\n")
    else:
        stack.callback(registry.remove_record, record)


def take_port(settings: Settings, stack: contextlib.ExitStack) -> TcpListener | None:
    """Take the port of the HTTP API, or refuse."""
    fleet = settings.fleet
    if fleet.http is None:
        return None
    try:
        door = open_listener(fleet.http, fleet.state_dir)
    except ListenRefused as refusal:
        raise StartRefused(str(refusal)) from None
    stack.callback(door.close)
    return door


def user_locks() -> Path:
    """Return where the fleets of this machine lock their users, without what killed ones left there."""
    folder = registry.fleet_records_dir().parent / "owners"
    sweep(folder)
    return folder
