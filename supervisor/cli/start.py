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
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, NoReturn

import click

from xyfleet.supervisor.api.client import Client, NoAnswer
from xyfleet.supervisor.api.registry import Record, is_live, read_records
from xyfleet.supervisor.cli.base import FAILURE, NOT_CONNECTED, OK, Failure, Setup, common
from xyfleet.supervisor.common.i18n import _

READY_TIMEOUT: Final = 120.0
"""Seconds in which a supervisor has read the largest file and listens."""
AUTO: Final = "auto"
"""What `--wait` without a number stands for: as long as this fleet needs."""
LOOK_EVERY: Final = 0.25
LISTED: Final = 10
"""So many accounts that wait for a person are named."""


class _Seconds(click.FloatRange):
    """A number of seconds, or `auto`."""

    def __init__(self) -> None:
        super().__init__(0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == AUTO else super().convert(value, param, ctx)


class Launched(NamedTuple):
    """A supervisor that is ready."""

    pid: int
    patience: float
    """Seconds in which all its accounts may be connected."""


class _OptionalWait(click.Command):
    """`--wait` and `--wait=5`, but `--wait FILE` leaves FILE alone: click would take it for the value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f"--wait={AUTO}" if word == "--wait" else word for word in args])


@click.command(
    cls=_OptionalWait, help=_("Start the fleet of an accounts file. In the foreground Ctrl-C ends it politely.")
)
@click.argument("file", type=click.Path(), metavar="FILE")
@click.option("--detach", is_flag=True, help=_("Return as soon as the fleet is up; it goes on by itself."))
@click.option(
    "--wait",
    type=_Seconds(),
    metavar="[=SECONDS]",
    help=_(
        "Detach, and return when all accounts are connected; with exit code 3 when those that are not wait for a"
        " person, or after so many seconds (without a number: a minute and what the accounts need at connect_rate,"
        " token_rate and fleet_rate, first logins by the hook included)."
    ),
)
@click.option("--fresh", is_flag=True, help=_("Forget which accounts were stopped by `stop NAME`."))
@click.option("--verbose", is_flag=True, help=_("Show every heartbeat too."))
@common
@click.pass_obj
def start(setup: Setup, file: str, detach: bool, wait: float | str | None, fresh: bool, verbose: bool) -> int:
    """Start the supervisor."""
    _install(Path(file).absolute(), setup.environment)
    words = command(setup.explicit, file, fresh=fresh, verbose=verbose)
    if not detach and wait is None:
        _become(words, setup)
    launched = launch(words, setup.environment)
    click.echo(_("fleet started (pid %(pid)d); xyfleet status shows it") % {"pid": launched.pid})
    if wait is None:
        return OK
    return wait_for(setup, launched.pid, launched.patience if isinstance(wait, str) else wait)


def _install(file: Path, environment: dict[str, str]) -> None:
    """Install requirements.txt; before the start, which is waited for only so long, and in sight of its user."""
    if (file.parent / "requirements.txt").is_file():
        # Imported only now: it needs all that reads accounts files, which few starts need twice.
        from xyfleet.supervisor.cli.packages import install_of

        install_of(file, environment)


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


def launch(words: list[str], environment: dict[str, str]) -> Launched:
    """Start a supervisor in a session of its own, and return when it is ready. Raises `Failure`."""
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
    return Launched(int(word["pid"]), float(word["patience"]))


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


def wait_for(setup: Setup, pid: int, seconds: float) -> int:
    """
    Wait until all accounts that should be are connected, or wait for a person. The fleet runs on in any case.

    Args:
        pid: The supervisor's; what another one says is not waited for.
    """
    deadline = time.monotonic() + seconds
    record = _record_of(setup, pid)
    client = setup.client_of(record)
    shown = ""
    while True:
        health = _health(client, record)
        shown = _show_progress(health, shown)
        if health["connected"] >= health["wanted"]:
            return OK
        if health["connected"] + health["waiting_for_person"] >= health["wanted"]:
            _say_who_waits(client)
            return NOT_CONNECTED
        if time.monotonic() >= deadline:
            text = _("not all accounts are connected after %(seconds)d s; the fleet goes on: xyfleet status")
            click.echo(text % {"seconds": seconds}, err=True)
            return NOT_CONNECTED
        time.sleep(LOOK_EVERY)


def _record_of(setup: Setup, pid: int) -> Record:
    """Return the record of the supervisor that was started, and of no other. Raises `Failure`."""
    for record in read_records():
        if record.pid == pid:
            setup.speak(record.language)
            return record
    raise Failure(FAILURE, _("the fleet (pid %(pid)d) has ended, or left no record to find it by") % {"pid": pid})


def _health(client: Client, record: Record) -> dict[str, Any]:
    try:
        health: dict[str, Any] = json.loads(client.get("/v1/health").body)
    except NoAnswer:
        if not is_live(record):
            raise Failure(FAILURE, _("the fleet has ended")) from None
        raise
    if health["pid"] != record.pid:
        raise Failure(FAILURE, _("the fleet has ended"))
    return health


def _say_who_waits(client: Client) -> None:
    """Name the accounts that are not connected, each with what helps."""
    status = json.loads(client.get("/v1/status").body)
    waiting = [one for one in status["accounts"] if one["state"] != "CONNECTED" and one["desired"] == "running"]
    waiting = [one for one in waiting if one["process"] != "disabled"]
    click.echo(_("the others wait for a person; the fleet goes on:"), err=True)
    for one in waiting[:LISTED]:
        click.echo(f"{one['name']}: {one['advice'] or one['reason'] or ''}", err=True)
    if len(waiting) > LISTED:
        click.echo(_("and %(count)d more: xyfleet status") % {"count": len(waiting) - LISTED}, err=True)


def _show_progress(health: dict[str, Any], shown: str) -> str:
    """Print how many are connected, if that is news."""
    text = _("connected %(n)d of %(all)d") % {"n": health["connected"], "all": health["wanted"]}
    if text != shown:
        click.echo(text)
    return text
