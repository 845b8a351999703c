"""`xyfleet forget`: deletes all that is stored about one account. Shell."""

from __future__ import annotations

from typing import Any, Final

import click

from xyfleet.supervisor.cli.base import FAILURE, OK, Failure, Setup, common
from xyfleet.supervisor.common.i18n import _

FORGET_TIMEOUT: Final = 60.0


@click.command(
    help=_(
        "Delete all that is stored about an account. That is its messages, outbox, login, device id and logs. It must "
        "be stopped, or no longer stand in the accounts file; if it still does, it begins anew at its next start."
    )
)
@click.argument("name")
@click.option("--yes", is_flag=True, help=_("Do not ask."))
@common
@click.pass_obj
def forget(setup: Setup, name: str, yes: bool) -> int:
    """Ask, delete, and say what was deleted."""
    client = setup.client()
    if not yes:
        _confirm(name)
    answer: dict[str, Any] = client.post("/v1/forget", {"name": name}, timeout=FORGET_TIMEOUT)
    if not answer["deleted"]:
        click.echo(_("there was nothing stored of %(name)s") % {"name": name})
    for path in answer["deleted"]:
        click.echo(_("deleted: %(path)s") % {"path": path})
    if answer["listed"]:
        text = _("%(name)s still stands in the accounts file: it begins anew at its next start")
        click.echo(text % {"name": name})
    return OK


def _confirm(name: str) -> None:
    click.echo(
        _("All messages, the login, the device id and the logs of %(name)s will be deleted for good.") % {"name": name}
    )
    answer = click.prompt(_("To go on, type the account's name"), default="", show_default=False)
    if answer.strip() != name:
        raise Failure(FAILURE, _("nothing was deleted: that is not its name"))
