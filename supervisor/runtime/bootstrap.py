"""Prepares the supervisor process: file, folders, lock, limits, forkserver, built-in gateway; then serves. Shell.

The order matters: the lock before anything is touched, a clean environment and the limits before the forkserver
(what workers inherit is frozen then), the forkserver before any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import uvloop

from xyfleet.supervisor.api import registry
from xyfleet.supervisor.common import i18n
from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.capacity import fds_needed
from xyfleet.supervisor.config.load import load_with_warnings
from xyfleet.supervisor.config.reading.problems import BadFile, Problem
from xyfleet.supervisor.credentials.store import StateRefused, Store
from xyfleet.supervisor.runtime import signals
from xyfleet.supervisor.runtime.claims import USAGE, StartRefused, claim, take_port, unusable, user_locks, write_record
from xyfleet.supervisor.runtime.leaving import LooseThreads
from xyfleet.supervisor.runtime.leftovers import end_leftovers
from xyfleet.supervisor.runtime.log_setup import NAME as SUPERVISOR_LOG
from xyfleet.supervisor.runtime.log_setup import open_log
from xyfleet.supervisor.runtime.premises import Premises
from xyfleet.supervisor.settings import Fleet, Settings
from xyfleet.supervisor.simulator.embedded import EmbeddedGateway, GatewayFailed
from xyfleet.supervisor.workers.forkserver import Forkserver, clean_environment
from xyfleet.worker.process.hardening import adopt, keep_secrets


class Options(NamedTuple):
    """How `xyfleet start` wants it."""

    file: Path
    detach: bool
    fresh: bool
    verbose: bool
    language: str | None
    ready_fd: int | None


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
            runner.get_loop().set_default_executor(LooseThreads())
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
        folder, socket, locks = claim(settings, env, stack)
        store = _store(settings, language)
        _open_log(fleet)
        end_leftovers()
        door = take_port(settings, stack)
        forkserver = _forkserver(folder)
        embedded = None
        if fleet.simulator is not None:
            embedded = stack.enter_context(_embedded(settings))
        # What nobody chose is the reader's own choice.
        said = options.language or fleet.language
        record = registry.Record(fleet.name, os.getpid(), str(socket), str(settings.path), str(locks[0].path), said)
        write_record(record, stack)
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
            user_locks=user_locks(),
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


def _forkserver(folder: Path) -> Forkserver:
    try:
        return Forkserver(folder)
    except OSError as error:
        text = _("no process can be started for the workers: %(why)s")
        raise StartRefused(text % {"why": error.strerror}) from None


def _open_log(fleet: Fleet) -> None:
    try:
        open_log(fleet)
    except OSError as error:
        assert fleet.log.dir is not None
        raise unusable(fleet.log.dir / SUPERVISOR_LOG, error) from None


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
