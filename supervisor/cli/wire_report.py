"""`xyfleet wire-report`: what the platform sent that this version does not know, fit for a bug report. Shell."""

from __future__ import annotations

import json
import sys
from urllib.parse import quote

import click

from xyfleet.supervisor.cli.base import OK, Setup, common
from xyfleet.supervisor.common.i18n import _


@click.command(
    name="wire-report",
    help=_(
        "Show the shapes of what is unknown of the platform. What it sent to an account, as JSON without texts, ids or"
        " secrets."
    ),
)
@click.argument("name")
@common
@click.pass_obj
def wire_report(setup: Setup, name: str) -> int:
    """Show the shapes."""
    found = json.loads(setup.client().get(f"/v1/wire/{quote(name, safe='')}").body)
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    if not found["unknown"]:
        click.echo(_("nothing unknown came for %(name)s") % {"name": name}, err=True)
    return OK
