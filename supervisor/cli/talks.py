"""`xyfleet talks`, `talk`, `open-talk`, `read`, `recall`: conversations as the platform has them. Shell."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import click

from xyfleet.supervisor.cli.base import FAILURE, OK, Failure, Setup, common
from xyfleet.supervisor.cli.send import some
from xyfleet.supervisor.common.i18n import N_, _
from xyfleet.supervisor.presentation.terminal import printable

PATIENCE: Final = 90.0
"""Seconds in which the fleet has answered: a question may wait for its turn."""
MOST: Final = 200

_UNSURE: Final = N_(
    "not known whether it was done (%(why)s); it is not asked again by itself: look with xyfleet talks %(name)s first"
)
_BAD: Final = {"rejected": N_("the platform refused it: %(why)s")}


def _limit(usual: int, text: str) -> Callable[[Any], Any]:
    return click.option("--limit", type=click.IntRange(1, MOST), default=usual, help=text)


def _as_json(command: Any) -> Any:
    text = _("For programs: one JSON object a line.")
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


@click.command(help=_("Show an account's conversations. As the platform lists them now; nothing of it is stored."))
@click.argument("account")
@_limit(50, _("So many at most, the newest; default 50, at most 200."))
@_as_json
@common
@click.pass_obj
def talks(setup: Setup, account: str, limit: int, as_json: bool) -> int:
    """List conversations."""
    found = _get(setup, f"/v1/talks/{quote(account, safe='')}", limit)
    if as_json:
        return _dump(found["talks"])
    from xyfleet.supervisor.presentation.talk_text import line
    from xyfleet.worker.protocol.talk_calls import ListedTalk

    return _show(setup, found, "talks", ListedTalk, lambda one, look, now: [line(one, look, now)])


@click.command(help=_("Show a conversation's messages. As the platform has them now; nothing of it is stored."))
@click.argument("account")
@click.argument("conversation", callback=some)
@_limit(20, _("So many at most, the newest; default 20, at most 200."))
@_as_json
@common
@click.pass_obj
def talk(setup: Setup, account: str, conversation: str, limit: int, as_json: bool) -> int:
    """Show a conversation."""
    path = f"/v1/talks/{quote(account, safe='')}/{quote(conversation, safe='')}"
    found = _get(setup, path, limit)
    if as_json:
        return _dump(found["messages"])
    from xyfleet.supervisor.presentation.message_text import Shown, lines

    return _show(setup, found, "messages", Shown, lines)


@click.command(
    name="open-talk",
    help=_(
        "Open a conversation with a buyer about an item. Prints its id; one that is there already is not opened again."
    ),
)
@click.argument("account")
@click.option("--buyer", callback=some, required=True, metavar="USER", help=_("User id of the other side."))
@click.option("--item", callback=some, required=True, metavar="ITEM", help=_("Id of the item."))
@common
@click.pass_obj
def open_talk(setup: Setup, account: str, buyer: str, item: str) -> int:
    """Open one."""
    answer = _post(setup, "open", account, {"buyer": buyer, "item": item})
    sys.stdout.write(printable(answer["conversation"]) + "\n")
    text = _("opened; the buyer sees it with the first text: xyfleet send %(name)s %(talk)s TEXT --to %(buyer)s")
    if answer["state"] == "found":
        text = _("it was there already")
    click.echo(text % {"name": account, "talk": printable(answer["conversation"]), "buyer": buyer}, err=True)
    return OK


@click.command(help=_("Mark a conversation as read. For the buyer, and on the seller's own phone."))
@click.argument("account")
@click.argument("conversation", callback=some)
@common
@click.pass_obj
def read(setup: Setup, account: str, conversation: str) -> int:
    """Mark it."""
    answer = _post(setup, "read", account, {"conversation": conversation})
    click.echo(_("read: the newest %(n)d messages of the other side") % {"n": answer["count"]})
    return OK


@click.command(
    help=_(
        "Recall a message that the account sent. By its id (`send` prints it, `talk --json` has it), within some"
        " 2 minutes: the platform refuses older ones."
    )
)
@click.argument("account")
@click.argument("message", callback=some)
@common
@click.pass_obj
def recall(setup: Setup, account: str, message: str) -> int:
    """Recall it."""
    _post(setup, "recall", account, {"message": message})
    click.echo(_("recalled"))
    return OK


def _get(setup: Setup, path: str, limit: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(setup.client(PATIENCE).get(path, limit=str(limit)).body)
    return found


def _post(setup: Setup, what: str, account: str, asked: dict[str, str]) -> dict[str, Any]:
    """Have something done, and return the good answer."""
    answer: dict[str, Any] = setup.client().post(f"/v1/talks/{what}", {"name": account, **asked}, timeout=PATIENCE)
    if answer["state"] not in ("done", "found"):
        text = _BAD.get(answer["state"], _UNSURE)
        raise Failure(FAILURE, _(text) % {"why": printable(answer["reason"] or "-"), "name": account})
    return answer


def _dump(entries: list[dict[str, Any]]) -> int:
    for entry in entries:
        text = json.dumps(entry, ensure_ascii=False)
        sys.stdout.write((text if text.isprintable() else json.dumps(entry)) + "\n")  # what steers a terminal, escaped
    return OK


def _show(setup: Setup, found: dict[str, Any], name: str, kind: type, lines: Callable[..., list[str]]) -> int:
    """Write entries as lines for people; say where there are older ones."""
    from datetime import UTC, datetime

    import msgspec

    from xyfleet.supervisor.cli.look import look, zone_of

    entries: list[Any] = [msgspec.convert(entry, kind) for entry in found[name]]
    style = look(setup.language, zone_of(setup.client()))
    for entry in entries:
        sys.stdout.write("\n".join(lines(entry, style, datetime.now(UTC))) + "\n")
    if found["more"]:
        click.echo(_("(there are older ones: --limit shows up to %(n)d)") % {"n": MOST}, err=True)
    elif not entries:
        click.echo(_("(none)"), err=True)
    return OK
