"""`xyfleet login NAME --qr`: shows the platform's code in the terminal, and tells what becomes of it. Shell."""

from __future__ import annotations

import io
import json
from typing import Any, Final

import click

from xyfleet.supervisor.api.client import Client
from xyfleet.supervisor.cli.base import FAILURE, OK, Failure
from xyfleet.supervisor.common.i18n import _

FIRST_WORD: Final = 90.0
"""Seconds until the platform's code is there: its call waits for a turn among the fleet's."""
_WHITE_ON_BLACK: Final = "\x1b[97;40m"
_AS_BEFORE: Final = "\x1b[0m"
SILENCE: Final = 90.0
"""Seconds without a line after which the fleet is given up; it says something every few seconds."""


def qr_login(client: Client, name: str) -> int:
    """Log an account in by a code that the person at the terminal scans."""
    scanned, rehearses = False, json.loads(client.get("/v1/status", name=name).body)["fleet"]["simulator"]
    for line in client.told("/v1/login/qr", {"name": name}, timeout=FIRST_WORD, silence=SILENCE):
        said: dict[str, Any] = json.loads(line)
        match said["step"]:
            case "code":
                click.echo(drawn(said["code"]))
                text = _("Scan this code with the Xianyu app of %(name)s, within %(seconds)d s.")
                click.echo(said.get("message") or text % {"name": name, "seconds": said["seconds"]})
                if rehearses:
                    click.echo(_("This is a rehearsal; in another terminal: xyfleet simulate scan %s") % name)
                scanned = False
            case "scanned" if not scanned:
                scanned = True
                click.echo(_("scanned; confirm on the phone"))
            case "check" | "failed":
                raise Failure(FAILURE, said["message"])
            case "done":
                if "message" in said:
                    click.echo(said["message"], err=True)
                click.echo(_("logged in; new cookie stored for %(name)s") % {"name": name})
                return OK
    raise Failure(FAILURE, _("the fleet broke off before the login was done"))


def drawn(code: str) -> str:
    """Return a code as lines of half blocks, dark on light whatever the terminal's own colours are."""
    import segno  # 20 ms, for this command only

    out = io.StringIO()
    segno.make(code, error="l", micro=False).terminal(out, compact=True)
    return "\n".join(f"{_WHITE_ON_BLACK}{line}{_AS_BEFORE}" for line in out.getvalue().splitlines())
