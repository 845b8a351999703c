"""`xyfleet events`: what happened, and what happens. Shell."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

import click

from xyfleet.supervisor.api.client import Client
from xyfleet.supervisor.api.registry import Record, is_live
from xyfleet.supervisor.cli.base import FAILURE, NO_FLEET, OK, Failure, Setup, common
from xyfleet.supervisor.common.i18n import _

END_WAIT: Final = 3.0
"""Seconds that a supervisor may take from the end of its streams to its own."""


@click.command(help=_("Show the last events of the fleet, or of one account."))
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help=_("Go on with new ones, until Ctrl-C."))
@click.option("--json", "as_json", is_flag=True, help=_("For programs: one JSON object a line."))
@click.option("--trace", is_flag=True, help=_("What the supervision of this account saw and decided, as JSON."))
@common
@click.pass_obj
def events(setup: Setup, name: str | None, follow: bool, as_json: bool, trace: bool) -> int:
    """Show events."""
    if trace:
        return _trace(setup, name)
    record = setup.record()
    client = setup.client_of(record)
    show = (lambda line: line.decode()) if as_json else _teller(setup, client)
    for line in _lines(client, follow):
        if name is not None and json.loads(line)["account"] != name:
            continue
        sys.stdout.write(show(line) + "\n")
        if follow:
            sys.stdout.flush()
    if follow:
        raise _end_of_stream(record)
    return OK


def _trace(setup: Setup, name: str | None) -> int:
    if name is None:
        raise click.UsageError(_("--trace wants the name of an account"))
    sys.stdout.write(setup.client().get(f"/v1/trace/{quote(name, safe='')}").body.decode())
    return OK


def _end_of_stream(record: Record) -> Failure:
    """Return why a stream ended that has no end of its own."""
    deadline = time.monotonic() + END_WAIT
    while is_live(record):
        if time.monotonic() >= deadline:
            return Failure(FAILURE, _("the stream of events broke off; run it again"))
        time.sleep(0.1)
    return Failure(NO_FLEET, _("the fleet has ended"))


def _lines(client: Client, follow: bool) -> Iterator[bytes]:
    if follow:
        return (line.rstrip(b"\n") for line in client.lines("/v1/events", follow="1"))
    return iter(client.get("/v1/events").body.splitlines())


def _teller(setup: Setup, client: Client) -> Callable[[bytes], str]:
    """Return what turns an event's JSON into a line for people."""
    from datetime import UTC, datetime

    import msgspec

    from xyfleet.supervisor.common.event_log import Event
    from xyfleet.supervisor.common.timestamps import zone
    from xyfleet.supervisor.presentation.event_text import line

    where = zone(json.loads(client.get("/v1/health").body)["timezone"])
    decoder = msgspec.json.Decoder(Event)
    return lambda data: line(decoder.decode(data), setup.language, where, datetime.now(UTC))
