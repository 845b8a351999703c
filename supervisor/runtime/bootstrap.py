"""Prepares the supervisor process: file, folders, lock, limits, forkserver, built-in gateway; then serves. Shell.

The order matters: the lock before anything is touched, a clean environment and the limits before the forkserver
(what workers inherit is frozen then), the forkserver before any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import resource
import socket as socket_module
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from xyfleet.supervisor.api import registry
from xyfleet.supervisor.api.tcp_listener import ListenRefused, TcpListener, open_listener
from xyfleet.supervisor.common import i18n, paths, private_folders
from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.common.user_locks import sweep
from xyfleet.supervisor.config.capacity import fds_needed
from xyfleet.supervisor.config.load import load_with_warnings
from xyfleet.supervisor.config.reading.problems import BadFile, Problem
from xyfleet.supervisor.credentials.store import StateRefused, Store
from xyfleet.supervisor.runtime import instance_lock, signals
from xyfleet.supervisor.runtime.log_setup import NAME as SUPERVISOR_LOG
from xyfleet.supervisor.runtime.log_setup import open_log
from xyfleet.supervisor.runtime.premises import Premises
from xyfleet.supervisor.settings import Fleet, Settings
from xyfleet.supervisor.simulator.embedded import EmbeddedGateway, GatewayFailed
from xyfleet.supervisor.workers.forkserver import Forkserver, clean_environment
from xyfleet.worker.process.hardening import adopt, keep_secrets

FAILURE = 1
USAGE = 2
_NOBODY: Final = frozenset((errno.ENOENT, errno.ECONNREFUSED))
"""What a connection to a socket says that is not there, or was left by a fleet that is gone."""


class Options(NamedTuple):
    """How `xyfleet start` wants it."""

    file: Path
    detach: bool
    fresh: bool
    verbose: bool
    language: str | None
    ready_fd: int | None


class StartRefused(Exception):
    """The fleet can't be started; the text is for people, the code is the exit code."""

    def __init__(self, text: str, code: int = FAILURE) -> None:
        self.code = code
        super().__init__(text)


def boot(options: Options) -> int:
    """Run a fleet from its file to its end; return the exit code."""
    # First of all: what is read from here on may be secret, and what is made is its owner's only.
    keep_secrets()
    os.umask(0o077)
    adopt()
    signals.disarm()
    ready = Ready(options.ready_fd)
    i18n.use(options.language or i18n.from_locale())
    try:
        settings, warnings, env = _load(options)
        _leave_gone_folder()
        language = options.language or settings.fleet.language or i18n.from_locale()
        i18n.use(language)
        with (
            _premises(settings, env, options, language) as premises,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            # Imported only now, while the forkserver does its own imports beside us: half of the time of a start.
            from xyfleet.supervisor.runtime.service import serve

            return runner.run(serve(premises, warnings, ready.tell))
    except StartRefused as refusal:
        ready.fail(str(refusal), refusal.code)
        return refusal.code


class Ready:
    """Tells `xyfleet start --detach`, which waits at a pipe, how the start went; else the terminal."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    def tell(self, patience: float) -> None:
        """The supervisor is ready; all its accounts may be connected within `patience` seconds."""
        self._write({"ready": True, "pid": os.getpid(), "patience": patience})

    def fail(self, message: str, code: int) -> None:
        """The supervisor ends."""
        if self._fd is None:
            sys.stderr.write(f"xyfleet: {message}\n")
        self._write({"error": {"message": message, "exit": code}})

    def _write(self, value: object) -> None:
        if self._fd is not None:
            # Whoever waited may have gone; that is no reason not to run.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._fd, json.dumps(value, ensure_ascii=False).encode() + b"\n")
            os.close(self._fd)
            self._fd = None


def _load(options: Options) -> tuple[Settings, list[Problem], Mapping[str, str]]:
    # Children inherit what is left; `${ENV}` in the file, now and at a reload, takes from the copy.
    env = clean_environment()
    try:
        settings, warnings = load_with_warnings(options.file, env)
    except BadFile as bad:
        raise StartRefused("\n".join(str(problem) for problem in bad.problems), USAGE) from None
    return settings, warnings, env


def _leave_gone_folder() -> None:
    """Go where there always is a folder, if ours was removed: Python asks for it here and there."""
    try:
        os.getcwd()
    except FileNotFoundError:
        os.chdir("/")


@contextlib.contextmanager
def _premises(settings: Settings, env: Mapping[str, str], options: Options, language: str) -> Iterator[Premises]:
    fleet = settings.fleet
    _raise_file_limit(len(settings.accounts))
    with contextlib.ExitStack() as stack:
        folder, socket, locks = _claim(settings, env, stack)
        store = _store(settings, language)
        _open_log(fleet)
        door = _door(settings, stack)
        forkserver = _forkserver(folder)
        embedded = None
        if fleet.simulator is not None:
            embedded = stack.enter_context(_embedded(settings))
        # What nobody chose is the reader's own choice.
        said = options.language or fleet.language
        record = registry.Record(fleet.name, os.getpid(), str(socket), str(settings.path), str(locks[0].path), said)
        _write_record(record, stack)
        yield Premises(
            settings=settings,
            env=env,
            language=language,
            detached=options.detach,
            fresh=options.fresh,
            verbose=options.verbose,
            socket=socket,
            locks=locks,
            store=store,
            forkserver=forkserver,
            embedded=embedded,
            door=door,
            user_locks=_user_locks(),
        )


def _store(settings: Settings, language: str) -> Store:
    """Read what is kept of the accounts, or refuse: each must be a user that no other one is."""
    store = Store(settings.fleet.state_dir)
    try:
        store.load(settings.accounts)
        found = store.assignment(settings.accounts.values())
        if found.clashes:
            raise StartRefused(found.clashes[0].text.say(language))
        store.assign(found.users)
        for name in found.users:
            store.get(name)
    except StateRefused as refusal:
        raise StartRefused(refusal.text.say(language)) from None
    return store


def _user_locks() -> Path:
    """Return where the fleets of this machine lock their users, without what killed ones left there."""
    folder = registry.fleet_records_dir().parent / "owners"
    sweep(folder)
    return folder


def _forkserver(folder: Path) -> Forkserver:
    try:
        return Forkserver(folder)
    except OSError as error:
        text = _("no process can be started for the workers: %(why)s")
        raise StartRefused(text % {"why": error.strerror}) from None


def _claim(
    settings: Settings, env: Mapping[str, str], stack: contextlib.ExitStack
) -> tuple[Path, Path, tuple[instance_lock.Lock, ...]]:
    """Make the folders and take the locks, of the state and of the run folder, or refuse."""
    fleet = settings.fleet
    trusted = private_folders.owners(settings.path)
    try:
        folder = paths.run_dir(fleet, env, os.geteuid())
        socket = paths.control_socket(folder)
        private_folders.make_private(fleet.state_dir, trusted)
        if fleet.log.dir is not None:
            private_folders.make_private(fleet.log.dir, trusted)
        _refuse_same_name(fleet.name, fleet.state_dir / "lock")
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
        raise _unusable(path, error) from None
    stack.callback(lock.release)
    return lock


def _clear_leftovers(folder: Path) -> None:
    try:
        paths.clear_leftovers(folder)
    except OSError as error:
        raise _unusable(Path(error.filename or folder), error) from None


def _refuse_taken(folder: Path, control: Path) -> None:
    """Refuse a run folder in which a fleet listens: its socket would be taken from it, and its messages with it."""
    with socket_module.socket(socket_module.AF_UNIX, socket_module.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(os.fspath(control)) in _NOBODY:
            return
    text = _("another fleet is running in the run folder %(path)s; stop it, or give this one a name of its own")
    raise StartRefused(text % {"path": folder})


def _unusable(path: Path, error: OSError) -> StartRefused:
    return StartRefused(_("cannot use %(path)s: %(why)s") % {"path": path, "why": private_folders.reason(error)})


def _open_log(fleet: Fleet) -> None:
    try:
        open_log(fleet)
    except OSError as error:
        assert fleet.log.dir is not None
        raise _unusable(fleet.log.dir / SUPERVISOR_LOG, error) from None


def _door(settings: Settings, stack: contextlib.ExitStack) -> TcpListener | None:
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


def _refuse_same_name(name: str, lock: Path) -> None:
    """Two running fleets of one name could not be told apart by any command."""
    for record in registry.read_records():
        if record.name == name and Path(record.lock) != lock and registry.is_live(record):
            raise instance_lock.AlreadyRunning(name, record.pid)


def _write_record(record: registry.Record, stack: contextlib.ExitStack) -> None:
    try:
        registry.write_record(record)
    except OSError as error:
        text = _("other terminals will not find this fleet by itself, its record can't be written: %(why)s")
        sys.stderr.write(f"xyfleet: {text % {'why': private_folders.reason(error)}}\n")
    else:
        stack.callback(registry.remove_record, record)


def _raise_file_limit(accounts: int) -> None:
    """Raise the soft limit of open files as far as we may, for a later reload too, or refuse with the number."""
    needed = fds_needed(accounts)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < needed:
        text = _(
            "%(accounts)d accounts need %(needed)d open files, but this process may open %(hard)d at most;"
            " raise the limit (ulimit -Hn, or LimitNOFILE= of the systemd unit)"
        )
        raise StartRefused(text % {"accounts": accounts, "needed": needed, "hard": hard})
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _embedded(settings: Settings) -> EmbeddedGateway:
    simulator = settings.fleet.simulator
    assert simulator is not None
    try:
        return EmbeddedGateway(simulator)
    except GatewayFailed as error:
        raise StartRefused(str(error)) from None
