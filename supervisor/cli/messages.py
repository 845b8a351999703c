"""`xyfleet messages`: what came in, what comes in, and what the handler never answered. Shell."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import click

from xyfleet.supervisor.api.client import Answer, Client, NoAnswer, Query, Refused
from xyfleet.supervisor.api.registry import Record, is_live
from xyfleet.supervisor.cli.base import FAILURE, NO_FLEET, OK, Failure, Setup, common
from xyfleet.supervisor.common.i18n import _

LIMIT: Final = 50
MAX_LIMIT: Final = 10_000
ANSWER_TIMEOUT: Final = 60.0
"""Seconds that a look into all inboxes of a large fleet may take."""
SILENCE: Final = 30.0
"""Seconds without a beat after which the stream is begun anew."""
END_WAIT: Final = 3.0
"""Seconds that a supervisor may take from the end of its streams to its own."""
AGAIN: Final = 1.0
"""Seconds between two attempts to go on."""

_Show = Callable[[bytes], str]


def _since(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Refuse what is no time, in the user's language; the supervisor works it out."""
    if value is not None:
        from xyfleet.supervisor.messages.query import since

        try:
            since(value, 0)
        except ValueError:
            text = _("%(value)s is neither a span like 30m, 2h or 3d nor a time like 2026-01-02T03:04:05+08:00")
            raise click.BadParameter(text % {"value": value}) from None
    return value


class _Asked(NamedTuple):
    """What the command line asks for."""

    names: tuple[str, ...]
    since: str | None
    conversation: str | None
    limit: int
    failed: bool

    def query(self) -> Query:
        query: Query = {"name": list(self.names), "limit": str(self.limit)}
        if self.since is not None:
            query["since"] = self.since
        if self.conversation is not None:
            query["conversation"] = self.conversation
        return query | {"failed": "1"} if self.failed else query


@click.command(help=_("Show the newest messages of all accounts, or of some."))
@click.argument("names", nargs=-1, metavar="[NAME|GLOB|@TAG]...")
@click.option("-f", "--follow", is_flag=True, help=_("Go on with new messages as they come, until Ctrl-C."))
@click.option("--since", callback=_since, metavar="SPAN|TIME", help=_("Only what came in since then, like 2h or 3d."))
@click.option("--conversation", metavar="ID", help=_("Only this conversation."))
@click.option(
    "--limit", type=click.IntRange(1, MAX_LIMIT), default=LIMIT, help=_("So many at most, the newest; default 50.")
)
@click.option("--failed", is_flag=True, help=_("Only those that the handler could not answer, and why."))
@click.option("--retry", is_flag=True, help=_("Give those back to the handler; needs names, or --failed for all."))
@click.option("--json", "as_json", is_flag=True, help=_("For programs: one JSON object a line."))
@common
@click.pass_obj
def messages(setup: Setup, /, names: tuple[str, ...], follow: bool, retry: bool, as_json: bool, **asked: Any) -> int:
    """Show messages, follow them, or have dead letters handled again."""
    question = _Asked(names, **asked)
    if follow and (retry or question.failed):
        raise click.UsageError(_("-f shows new messages: it goes with neither --failed nor --retry"))
    if retry and not (names or question.failed):
        raise click.UsageError(_("--retry needs names; for all accounts: xyfleet messages --failed --retry"))
    record = setup.record()
    client = setup.client_of(record)
    if retry:
        return _retry(client, question._replace(failed=True))
    show = (lambda line: line.decode()) if as_json else _teller(setup, client)
    answer = client.get("/v1/messages", **question.query())
    _put(answer.body.splitlines(), show)
    code = _complain(answer)
    if follow:
        sys.stdout.flush()
        _follow(record, client, question, answer.headers["x-xyfleet-next"], show)
    return code


def _put(lines: Iterable[bytes], show: _Show) -> None:
    for line in lines:
        sys.stdout.write(show(line) + "\n")


def _complain(answer: Answer) -> int:
    """Say whose messages could not be read; return the exit code."""
    troubles = json.loads(answer.headers.get("x-xyfleet-unreadable", "{}"))
    for account, why in troubles.items():
        _complain_of(account, why)
    return FAILURE if troubles else OK


def _complain_of(account: str, why: str) -> None:
    text = _("the messages of %(name)s can't be read: %(why)s")
    click.echo("xyfleet: " + text % {"name": account, "why": why}, err=True)


def _retry(client: Client, asked: _Asked) -> int:
    """Give dead letters back: all of the accounts, or those that would be shown."""
    ids: list[str] = []
    if asked.since is not None or asked.conversation is not None:
        answer = client.get("/v1/messages", **asked.query())
        ids = [json.loads(line)["id"] for line in answer.body.splitlines()]
        if not ids:
            click.echo(_("no such dead letters"))
            return _complain(answer)
    body = {"names": list(asked.names) or ["*"], "ids": ids}
    outcome: dict[str, Any] = client.post("/v1/messages/retry", body)
    for account, count in outcome["done"].items():
        if count or account in asked.names:
            click.echo(_("%(name)s: given back to the handler: %(n)d") % {"name": account, "n": count})
    if not any(outcome["done"].values()) and not outcome["refused"] and not asked.names:
        click.echo(_("no such dead letters"))
    for account, why in outcome["refused"].items():
        click.echo(f"{account}: {why}", err=True)
    return FAILURE if outcome["refused"] else OK


def _follow(record: Record, client: Client, asked: _Asked, after: str, show: _Show) -> None:
    """Show what comes; after a broken connection go on behind what was shown."""
    while True:
        try:
            stream = client.lines("/v1/messages/stream", silence=SILENCE, name=list(asked.names), after=after)
            for event in _events(stream):
                if event.get("event") == "message" and _fits(event["data"], asked):
                    _put([event["data"].encode()], show)
                    sys.stdout.flush()
                elif event.get("event") == "unreadable":
                    trouble = json.loads(event["data"])
                    _complain_of(trouble["account"], trouble["reason"])
                after = event.get("id", after)
        except NoAnswer:
            pass  # what it means is found out next
        except Refused as error:
            if error.status != HTTPStatus.GONE:
                raise
            text = _("the place in the stream is not known any more; some messages may be missing")
            click.echo(f"xyfleet: {text}", err=True)
            after = client.get("/v1/messages", name=list(asked.names), limit="1").headers["x-xyfleet-next"]
        _refuse_if_ended(record, client)


def _events(lines: Iterator[bytes]) -> Iterator[dict[str, str]]:
    """Return the stream's events by their fields, whole ones only."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line.endswith(b"\n"):
            return  # broken off, perhaps within a character
        name, _colon, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


def _fits(data: str, asked: _Asked) -> bool:
    return asked.conversation is None or json.loads(data)["conversation"] == asked.conversation


def _refuse_if_ended(record: Record, client: Client) -> None:
    """Raise `Failure` if the fleet has ended; wait for a moment if it has not."""
    deadline = time.monotonic() + END_WAIT
    time.sleep(AGAIN)
    while time.monotonic() < deadline:
        if not is_live(record):
            raise Failure(NO_FLEET, _("the fleet has ended"))
        try:
            client.get("/v1/health")
            return
        except NoAnswer:
            time.sleep(0.1)


def _teller(setup: Setup, client: Client) -> _Show:
    """Return what turns a message's JSON into lines for people."""
    from datetime import UTC, datetime

    import msgspec

    from xyfleet.supervisor.cli.look import look, zone_of
    from xyfleet.supervisor.presentation.message_text import Shown, lines

    where = zone_of(client)
    decoder = msgspec.json.Decoder(Shown)

    def tell(data: bytes) -> str:
        return "\n".join(lines(decoder.decode(data), look(setup.language, where), datetime.now(UTC)))

    return tell
