"""`xyfleet stop`, `restart`, `reconnect`, `refresh` and `reload`. Shell."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from xyfleet.supervisor.api.client import NoAnswer, Refused
from xyfleet.supervisor.api.registry import Record, is_live
from xyfleet.supervisor.cli.base import FAILURE, OK, Failure, Setup, common
from xyfleet.supervisor.cli.packages import install_of
from xyfleet.supervisor.common.i18n import N_, _

ACTION_TIMEOUT: Final = 60.0
"""Seconds that an action on many accounts may take."""
RELOAD_TIMEOUT: Final = 600.0
"""Seconds that a reload may take: it starts the added accounts, paced, and closes the removed ones."""
STOP_TIMEOUT: Final = 60.0
"""Seconds that a whole fleet may take to end."""
_LISTED: Final = 10
"""Names listed one by one; of more only the number."""

NOT_CONFIRMED: Final = "not_confirmed"
"""The code with which the fleet asks whether that is meant (docs/api.md)."""
_YES: Final = ("y", "yes", "是")
_NAMES: Final = "NAME|GLOB|@TAG..."
_yes: Final = click.option("--yes", is_flag=True, help=_("Also many accounts in an outage, without a question."))


@click.command(
    help=_(
        "Stop accounts, or the whole fleet. Named accounts stay stopped until `restart`; without a name the fleet ends."
    )
)
@click.argument("names", nargs=-1, metavar=f"[{_NAMES}]")
@click.option("--yes", is_flag=True, help=_("End the fleet without a question."))
@common
@click.pass_obj
def stop(setup: Setup, names: tuple[str, ...], yes: bool) -> int:
    """Stop accounts for good, or the supervisor."""
    if names:
        return _act(setup, "stop", N_("stopped: %(names)s"), names)
    record = setup.record()
    if sys.stdin.isatty() and not yes and not _is_meant(record):
        raise Failure(FAILURE, _("nothing was done"))
    return _stop_fleet(setup, record)


def _is_meant(record: Record) -> bool:
    return _says_yes(_("End the whole fleet %(name)s, with all its accounts? [y/N] ") % {"name": record.name})


def _says_yes(question: str) -> bool:
    click.echo(question, nl=False, err=True)
    return sys.stdin.readline().strip().lower() in _YES


@click.command(help=_("Start accounts anew, stopped and quarantined ones too."))
@click.argument("names", nargs=-1, metavar=_NAMES, required=True)
@_yes
@common
@click.pass_obj
def restart(setup: Setup, names: tuple[str, ...], yes: bool) -> int:
    """Start accounts anew."""
    return _act(setup, "restart", N_("restarted: %(names)s"), names, sure=yes)


@click.command(help=_("Have accounts drop their connection and dial at once."))
@click.argument("names", nargs=-1, metavar=_NAMES, required=True)
@common
@click.pass_obj
def reconnect(setup: Setup, names: tuple[str, ...]) -> int:
    """Dial anew."""
    return _act(setup, "reconnect", N_("reconnecting: %(names)s"), names)


@click.command(help=_("Run the login hook for accounts, within its budget."))
@click.argument("names", nargs=-1, metavar=_NAMES, required=True)
@_yes
@common
@click.pass_obj
def refresh(setup: Setup, names: tuple[str, ...], yes: bool) -> int:
    """Run the login hook."""
    return _act(setup, "refresh", N_("login hook asked for: %(names)s"), names, sure=yes)


@click.command(help=_("Read the accounts file again. Only accounts whose settings changed are touched."))
@click.option("--yes", is_flag=True, help=_("Also when that ends a large part of the fleet."))
@common
@click.pass_obj
def reload(setup: Setup, yes: bool) -> int:
    """Read the accounts file again."""
    install_of(Path(setup.record().file), setup.environment)
    answer = setup.client().post("/v1/reload", {"yes": yes}, timeout=RELOAD_TIMEOUT)
    for warning in answer["warnings"]:
        click.echo(warning, err=True)
    for key, text in _RELOADED.items():
        if answer[key]:
            click.echo(_(text) % {"names": _listed(answer[key])})
    click.echo(_("unchanged: %(n)d") % {"n": answer["unchanged"]})
    return FAILURE if answer["unfinished"] else OK


_RELOADED: Final = {
    "added": N_("added: %(names)s"),
    "removed": N_("removed: %(names)s"),
    "restarted": N_("restarted: %(names)s"),
    "applied": N_("changed without a restart: %(names)s"),
    "renewed": N_("handler loaded anew: %(names)s"),
}


def _act(setup: Setup, action: str, done: str, names: Sequence[str], *, sure: bool = False) -> int:
    path, wish = f"/v1/accounts/{action}", {"names": list(names), "yes": sure}
    answer: dict[str, Any]
    try:
        answer = setup.client().post(path, wish, timeout=ACTION_TIMEOUT)
    except Refused as refused:
        if refused.code != NOT_CONFIRMED or not sys.stdin.isatty():
            raise
        click.echo(refused.message, err=True)
        if not _says_yes(_("Do it all the same? [y/N] ")):
            raise Failure(FAILURE, _("nothing was done")) from None
        answer = setup.client().post(path, {**wish, "yes": True}, timeout=ACTION_TIMEOUT)
    if answer["done"]:
        click.echo(_(done) % {"names": _listed(answer["done"])})
    for name, why in answer["refused"].items():
        click.echo(f"{name}: {why}", err=True)
    return FAILURE if answer["refused"] else OK


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _LISTED:
        return ", ".join(names)
    first = ", ".join(names[:_LISTED])
    return _("%(names)s … (%(n)d accounts)") % {"names": first, "n": len(names)}


def _stop_fleet(setup: Setup, record: Record) -> int:
    """Ask the supervisor to end, and return when it is gone: its pidfd, so never a later process with its pid."""
    try:
        pidfd = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return _say_stopped(record)
    try:
        setup.client_of(record).post("/v1/stop")
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(STOP_TIMEOUT * 1000):
            text = _("fleet %(name)s (pid %(pid)d) is still stopping after %(seconds)d s")
            raise Failure(FAILURE, text % {"name": record.name, "pid": record.pid, "seconds": STOP_TIMEOUT})
    except NoAnswer:
        if is_live(record):
            raise
    finally:
        os.close(pidfd)
    return _say_stopped(record)


def _say_stopped(record: Record) -> int:
    click.echo(_("fleet %(name)s stopped") % {"name": record.name})
    return OK
