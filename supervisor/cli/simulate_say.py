"""`xyfleet simulate say`: a buyer's words to an account of a rehearsal, and what is answered. Shell."""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click

from xyfleet.supervisor.cli.base import OK, Setup, common
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
@click.option("--wait", type=click.FloatRange(0, 600), default=5.0, help=_("Seconds to wait for answers; default 5."))
@common
@click.pass_obj
def say(setup: Setup, /, name: str, text: str, paid: bool, image: Path | None, item: str | None, wait: float) -> int:
    """Say it."""
    gateway = _Gateway(json.loads(setup.client().get("/v1/simulator", name=name).body))
    said: dict[str, Any] = {"text": text or "在吗"}
    if paid:
        said = {"type": "card", "status": "paid"}
    elif image is not None:
        said = {"type": "image", "text": image.absolute().as_uri()}
    if item is not None:
        said["item"] = item
    known = {each["id"] for each in gateway.own()}
    gateway.push(said)
    click.echo(f"→ {image or (_('paid') if paid else said['text'])}")
    end = time.monotonic() + wait
    while time.monotonic() < end:
        for each in gateway.own():
            if each["id"] not in known:
                known.add(each["id"])
                click.echo(f"← {each['text']}")
        time.sleep(LOOK)
    return OK


class _Gateway:
    """The control routes of a fleet's built-in gateway."""

    def __init__(self, where: dict[str, Any]) -> None:
        self._url: str = where["url"]
        self._unb: str = where["unb"]
        self._tls = ssl.create_default_context(cafile=where["ca_file"]) if where["ca_file"] else None

    def push(self, item: dict[str, Any]) -> None:
        """Have an item pushed."""
        self._ask(
            urllib.request.Request(f"{self._url}/_sim/push", json.dumps({"unb": self._unb, "items": [item]}).encode())
        )

    def own(self) -> list[dict[str, Any]]:
        """Return what the account has written."""
        found = self._ask(urllib.request.Request(f"{self._url}/_sim/messages?{urlencode({'unb': self._unb})}"))
        return [each for each in found["messages"] if each["sender"] == self._unb]

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        with urllib.request.urlopen(request, timeout=10, context=self._tls) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found
