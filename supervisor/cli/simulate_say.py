"""`xyfleet simulate say`: a buyer's words to an account of a rehearsal, and what is answered. Shell."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import click

from xyfleet.supervisor.cli.base import OK, USAGE, Failure, Setup, common
from xyfleet.supervisor.cli.rehearsal import RehearsalGateway
from xyfleet.supervisor.common.i18n import _

LOOK: Final = 0.2
"""Seconds between two looks for answers."""


@click.command(help=_("Say something to an account of a running rehearsal, as a buyer; its answers are shown."))
@click.argument("name", metavar="NAME")
@click.argument("text", metavar="[TEXT]", default="")
@click.option("--paid", is_flag=True, help=_("Have paid: the card of an order, instead of a text."))
@click.option(
    "--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=_("An image, instead of a text.")
)
@click.option("--item", metavar="ID", help=_("The item that the talk is about."))
@click.option("--spec", metavar="TEXT", help=_("With --paid: the variant that was bought."))
@click.option("--wait", type=click.FloatRange(0, 600), default=5.0, help=_("Seconds to wait for answers; default 5."))
@common
@click.pass_obj
def say(
    setup: Setup,
    /,
    name: str,
    text: str,
    paid: bool,
    image: Path | None,
    item: str | None,
    spec: str | None,
    wait: float,
) -> int:
    """Say it."""
    if spec is not None and not paid:
        raise Failure(USAGE, _("--spec goes with --paid"))
    gateway = RehearsalGateway(setup.client(), name)
    said: dict[str, Any] = {"text": text or "在吗"}
    if paid:
        said = {"type": "card", "status": "paid"}
    elif image is not None:
        said = {"type": "image", "text": image.absolute().as_uri()}
    if item is not None:
        said["item"] = item
    known = {each["id"] for each in gateway.own()}
    if spec is not None:
        said["order"] = _ordered(gateway, spec, item)
    gateway.post("push", {"unb": gateway.unb, "items": [said]})
    click.echo(f"→ {image or (_('paid') if paid else said['text'])}")
    if not _answers(gateway, known, wait):
        click.echo(
            _("no answer within %(seconds)g s; errors stand in: xyfleet logs %(name)s")
            % {"seconds": wait, "name": name}
        )
    return OK


def _ordered(gateway: RehearsalGateway, spec: str, item: str | None) -> str:
    """Put an order of a variant into the shop; return its id."""
    order = {"id": f"51{time.time_ns() // 1000:017d}", "spec": spec if ":" in spec else f"规格:{spec}"}
    gateway.post("shop", {"unb": gateway.unb, "orders": [order if item is None else {**order, "item": item}]})
    return order["id"]


def _answers(gateway: RehearsalGateway, known: set[str], wait: float) -> int:
    """Show what the account writes while we wait; return how many messages that were."""
    end, shown = time.monotonic() + wait, 0
    while time.monotonic() < end:
        for each in gateway.own():
            if each["id"] not in known:
                known.add(each["id"])
                shown += 1
                click.echo(f"← {each['text']}")
        time.sleep(LOOK)
    return shown
