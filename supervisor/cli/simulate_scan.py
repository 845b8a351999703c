"""`xyfleet simulate scan`: the phone that scans and confirms the code of `xyfleet login NAME --qr`. Shell."""

from __future__ import annotations

import click

from xyfleet.supervisor.cli.base import FAILURE, OK, Failure, Setup, common
from xyfleet.supervisor.cli.rehearsal import RehearsalGateway
from xyfleet.supervisor.common.i18n import _


@click.command(help=_("Scan and confirm the code that `login --qr` shows in a running rehearsal, as the app does."))
@click.argument("name", metavar="NAME")
@common
@click.pass_obj
def scan(setup: Setup, /, name: str) -> int:
    """Scan it: the newest one that nobody has scanned."""
    gateway = RehearsalGateway(setup.client(), name)
    waiting = [code for code, state in gateway.get("passport")["codes"].items() if state["status"] == "NEW"]
    if not waiting:
        raise Failure(
            FAILURE, _("no code waits to be scanned; first, in another terminal: xyfleet login %s --qr") % name
        )
    for act in ("scan", "confirm"):
        gateway.post("qr", {"do": act, "unb": gateway.unb, "ck": waiting[-1]})
    click.echo(_("scanned and confirmed for %(name)s") % {"name": name})
    return OK
