"""Runs a trial of a handler in a child process, bounded in time and words. Shell."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common import own_children
from xyfleet.supervisor.settings import READY, Account, handlers_of
from xyfleet.supervisor.workers.forkserver import KEPT_ENVIRONMENT
from xyfleet.worker.handlers.trial import Trial, TrialResult
from xyfleet.worker.protocol.message import HandedMessage
from xyfleet.worker.reasons import words

LOAD_WITHIN: Final = 30.0
"""Seconds that a handler may take to be loaded."""
_MOST_OUTPUT: Final = 20_000
"""Bytes that are kept of what it prints."""
MOST_WRITTEN: Final = 20_000_000
"""Bytes that it may write; one that writes more is ended: `reload` has it written to the fleet itself."""
_LOOK: Final = 0.05
"""Seconds between two looks whether it has ended: what it has started may hold its pipes open."""
_PIECE: Final = 65_536


_READY_ERROR: Final = "xyfleet.handler.deliver.Undeliverable: "
"""How the words begin of what a ready handler leaves to a person."""


class Outcome(NamedTuple):
    """What came of a trial."""

    result: TrialResult
    output: str
    """What the handler printed."""


def own_part(trace: str | None, folder: Path) -> list[str]:
    """
    Return the lines of a traceback from the owner's first file on, all but its head if there is none in it.

    What a ready handler raises says all by itself: nothing of it.
    """
    lines = [] if trace is None else trace.rstrip().splitlines()[1:]
    if any(line.startswith(_READY_ERROR) for line in lines):
        return []
    first = next((number for number, line in enumerate(lines) if f'File "{folder}/' in line), 0)
    return lines[first:]


def own_handlers(account: Account) -> str | None:
    """Return those of an account's handlers that are the owner's own; None = there are none."""
    return ",".join(spec for spec in handlers_of(account.handler) if spec not in READY) or None


def trial_of(
    account: Account,
    folder: Path,
    messages: list[HandedMessage],
    packages: Path | None = None,
    spec: str | None = None,
) -> Trial:
    """
    Return a trial of an account's handler, loaded only if there are no messages.

    Args:
        folder: The accounts file's.
        packages: Where those of requirements.txt are.
        spec: The variant that an order is of.
    """
    assert account.handler is not None, "the account has a handler"
    return Trial(
        account=account.name,
        label=account.label,
        handler=account.handler,
        folder=str(folder),
        packages="" if packages is None else str(packages),
        ready=account.ready,
        env={name: value.reveal() for name, value in account.handler_env.items()},
        timeout=account.mail.handler_timeout,
        messages=messages,
        spec=spec,
    )


def run(trial: Trial, env: Mapping[str, str]) -> Outcome:
    """Try it, and end whatever it has started. Blocks for as long as it takes, at most half a minute and its calls."""
    try:
        return _run(trial, env)
    except OSError as error:  # no process, no descriptor, no such folder
        return Outcome(TrialResult(trouble=words(f"it can't be tried: {error.strerror or error}")), "")


def _run(trial: Trial, env: Mapping[str, str]) -> Outcome:
    clean = {name: value for name, value in env.items() if name in KEPT_ENVIRONMENT}
    # -P: a file of the working directory must not stand in for a module.
    command = [sys.executable, "-P", "-m", "xyfleet.worker.handlers.trial"]
    within = LOAD_WITHIN + len(trial.messages) * (trial.timeout + 1)
    with own_children.helper(command, cwd=trial.folder, env=clean) as process:
        talk = _Talk(process, msgspec.json.encode(trial))
        trouble = talk.until(time.monotonic() + within)
    output = talk.err[-_MOST_OUTPUT:].decode(errors="replace")
    try:
        return Outcome(msgspec.json.decode(talk.out, type=TrialResult), output)
    except msgspec.MsgspecError:
        ended = trouble.format(within) if trouble else f"its process ended ({process.returncode})"
        return Outcome(TrialResult(trouble=words(ended)), output)


class _Talk:
    """What is said to a child process, and what it says, until it ends."""

    def __init__(self, process: subprocess.Popen[bytes], said: bytes) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._said = memoryview(said)
        self._written = 0
        self.out, self.err = bytearray(), bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(process.stdin, selectors.EVENT_WRITE)
        for pipe, kept in ((process.stdout, self.out), (process.stderr, self.err)):
            self._selector.register(pipe, selectors.EVENT_READ, kept)
        for key in list(self._selector.get_map().values()):
            os.set_blocking(key.fd, False)

    def until(self, end: float) -> str:
        """Talk until the process has ended and all that it wrote is read; return why that did not come, else ""."""
        with self._selector:
            while time.monotonic() < end:
                ended = self._process.poll() is not None
                ready = self._selector.select(0 if ended else _LOOK)
                if ended and not any(key.data is not None for key, _ in ready):
                    return ""
                for key, _ in ready:
                    self._take_step(key)
                if self._written > MOST_WRITTEN:
                    return f"it wrote more than {MOST_WRITTEN // 1_000_000} MB"
        return "not done within {:g} s"

    def _take_step(self, key: selectors.SelectorKey) -> None:
        if key.data is None:
            self._say(key)
            return
        piece = os.read(key.fd, _PIECE)
        if not piece:
            self._selector.unregister(key.fileobj)
        self._written += len(piece)
        key.data.extend(piece)
        if key.data is self.err:
            del self.err[: -2 * _MOST_OUTPUT]

    def _say(self, key: selectors.SelectorKey) -> None:
        try:
            self._said = self._said[os.write(key.fd, self._said[:_PIECE]) :]
        except BrokenPipeError:
            self._said = self._said[:0]  # it has ended, or does not listen
        if not self._said:
            self._selector.unregister(key.fileobj)
            assert self._process.stdin is not None
            self._process.stdin.close()
