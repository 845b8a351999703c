"""`xyfleet start`: becomes the supervisor, or starts one that stays. Shell."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO, Any, Final, NoReturn

import click

from xyfleet.supervisor.api.client import NoAnswer
from xyfleet.supervisor.api.registry import is_live
from xyfleet.supervisor.cli.base import FAILURE, NOT_CONNECTED, OK, Failure, Setup, common
from xyfleet.supervisor.common.i18n import _

READY_TIMEOUT: Final = 120.0
"""Seconds in which a supervisor has read the largest file and listens."""
DEFAULT_WAIT: Final = "60"
LOOK_EVERY: Final = 0.25


class _OptionalWait(click.Command):
    """`--wait` and `--wait=5`, but `--wait FILE` leaves FILE alone: click would take it for the value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f"--wait={DEFAULT_WAIT}" if word == "--wait" else word for word in args])


@click.command(
    cls=_OptionalWait, help=_("Start the fleet of an accounts file. In the foreground Ctrl-C ends it politely.")
)
@click.argument("file", type=click.Path(), metavar="FILE")
@click.option("--detach", is_flag=True, help=_("Return as soon as the fleet is up; it goes on by itself."))
@click.option(
    "--wait",
    type=click.FloatRange(0),
    metavar="[=60]",
    help=_("Detach, and return when all accounts are connected, or with exit code 3 after so many seconds."),
)
@click.option("--fresh", is_flag=True, help=_("Forget which accounts were stopped by `stop NAME`."))
@click.option("--verbose", is_flag=True, help=_("Show every heartbeat too."))
@common
@click.pass_obj
def start(setup: Setup, file: str, detach: bool, wait: float | None, fresh: bool, verbose: bool) -> int:
    """Start the supervisor."""
    words = command(setup.explicit, file, fresh=fresh, verbose=verbose)
    if not detach and wait is None:
        _become(words, setup)
    pid = launch(words, setup.environment)
    click.echo(_("fleet started (pid %(pid)d); xyfleet status shows it") % {"pid": pid})
    return OK if wait is None else wait_for(setup, file, wait)


def command(language: str | None, file: str, *, fresh: bool, verbose: bool) -> list[str]:
    """Return the command line of a supervisor."""
    # -P: a file of the working directory must not stand in for a module.
    words = [sys.executable, "-P", "-m", "xyfleet.supervisor", "--file", file]
    words += ["--fresh"] if fresh else []
    words += ["--verbose"] if verbose else []
    return words + (["--lang", language] if language else [])


def _become(words: list[str], setup: Setup) -> NoReturn:
    """Turn this process into the supervisor, so that terminal, signals and exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(words[0], words, setup.environment)


def launch(words: list[str], environment: dict[str, str]) -> int:
    """Start a supervisor in a session of its own, and return its pid when it is ready. Raises `Failure`."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as ready, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*words, "--detach", "--ready-fd", str(write_end)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            pass_fds=(write_end,),
            env=environment,
        )
        os.close(write_end)
        try:
            word = _first_word(ready)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)
            raise
        if word is None:
            raise Failure(FAILURE, _died(process, errors))
    if "error" in word:
        raise Failure(int(word["error"]["exit"]), word["error"]["message"])
    return int(word["pid"])


def _first_word(ready: IO[bytes]) -> dict[str, Any] | None:
    """Return what the supervisor says of its start, None if it says nothing."""
    if not select.select([ready], [], [], READY_TIMEOUT)[0]:
        return None
    line = ready.readline()
    return json.loads(line) if line.endswith(b"\n") else None


def _died(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    try:
        code = process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return _("the supervisor was not ready after %(seconds)d s") % {"seconds": READY_TIMEOUT}
    errors.seek(0)
    last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
    text = _("the supervisor ended before it was ready (exit code %(code)d): %(last)s")
    return text % {"code": code, "last": "".join(last) or "-"}


def wait_for(setup: Setup, file: str, seconds: float) -> int:
    """Wait until all accounts that should be are connected. The fleet runs on in any case."""
    deadline = time.monotonic() + seconds
    setup.fleet = file
    record = setup.record()
    client = setup.client_of(record)
    shown = ""
    while True:
        try:
            health = json.loads(client.get("/v1/health").body)
        except NoAnswer:
            if not is_live(record):
                raise Failure(FAILURE, _("the fleet has ended")) from None
            raise
        shown = _show_progress(health, shown)
        if health["connected"] >= health["wanted"]:
            return OK
        if time.monotonic() >= deadline:
            click.echo(_("not all accounts are connected yet; the fleet goes on: xyfleet status"), err=True)
            return NOT_CONNECTED
        time.sleep(LOOK_EVERY)


def _show_progress(health: dict[str, Any], shown: str) -> str:
    """Print how many are connected, if that is news."""
    text = _("connected %(n)d of %(all)d") % {"n": health["connected"], "all": health["wanted"]}
    if text != shown:
        click.echo(text)
    return text
