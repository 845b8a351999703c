"""Runs a trial of a handler in a child process, bounded in time and words. Shell."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.settings import READY, Account, handlers_of
from xyfleet.supervisor.workers.forkserver import KEPT_ENVIRONMENT
from xyfleet.worker.handlers.trial import Trial, TrialResult
from xyfleet.worker.protocol.message import HandedMessage
from xyfleet.worker.reasons import words

LOAD_WITHIN: Final = 30.0
"""Seconds that a handler may take to be loaded."""
_MOST_OUTPUT: Final = 20_000
"""Characters that are kept of what it prints."""


class Outcome(NamedTuple):
    """What came of a trial."""

    result: TrialResult
    output: str
    """What the handler printed."""


def own_part(trace: str | None, folder: Path) -> list[str]:
    """Return the lines of a traceback from the owner's first file on, all but its head if there is none in it."""
    lines = [] if trace is None else trace.rstrip().splitlines()[1:]
    first = next((number for number, line in enumerate(lines) if f'File "{folder}/' in line), 0)
    return lines[first:]


def own_handlers(account: Account) -> str | None:
    """Return those of an account's handlers that are the owner's own; None = there are none."""
    return ",".join(spec for spec in handlers_of(account.handler) if spec not in READY) or None


def trial_of(account: Account, folder: Path, messages: list[HandedMessage]) -> Trial:
    """Return a trial of an account's handler, loaded only if there are no messages."""
    assert account.handler is not None, "the account has a handler"
    return Trial(
        account=account.name,
        label=account.label,
        handler=account.handler,
        folder=str(folder),
        ready=account.ready,
        env={name: value.reveal() for name, value in account.handler_env.items()},
        timeout=account.mail.handler_timeout,
        messages=messages,
    )


def run(trial: Trial, env: Mapping[str, str]) -> Outcome:
    """Try it, and end whatever it has started. Blocks for as long as it takes, at most half a minute and its calls."""
    clean = {name: value for name, value in env.items() if name in KEPT_ENVIRONMENT}
    # -P: a file of the working directory must not stand in for a module.
    command = [sys.executable, "-P", "-m", "xyfleet.worker.handlers.trial"]
    pipe = subprocess.PIPE
    within = LOAD_WITHIN + len(trial.messages) * (trial.timeout + 1)
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=clean, cwd=trial.folder, start_new_session=True
    ) as process:
        late = False
        try:
            out, err = process.communicate(msgspec.json.encode(trial), timeout=within)
        except subprocess.TimeoutExpired:
            out, err, late = b"", b"", True
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    output = err.decode(errors="replace")[-_MOST_OUTPUT:]
    try:
        return Outcome(msgspec.json.decode(out, type=TrialResult), output)
    except msgspec.MsgspecError:
        ended = f"not done within {within:g} s" if late else f"its process ended ({process.returncode})"
        return Outcome(TrialResult(trouble=words(ended)), output)
