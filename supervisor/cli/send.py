"""`xyfleet send`: one text to one conversation. Shell."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from xyfleet.supervisor.cli.base import FAILURE, OK, USAGE, Failure, Setup, common
from xyfleet.supervisor.i18n import N_, _

UNSENT: Final = 3
"""It waits in the outbox."""
DEFAULT_WAIT: Final = 20.0
MAX_WAIT: Final = 300.0
MAX_TEXT: Final = 4000
"""Characters."""
SPARE: Final = 15.0
"""Seconds beyond the wait in which the fleet has answered."""

_MEANS: Final = {
    "rejected": N_("not sent: the server refused it for good (%(why)s)"),
    "failed": N_("not sent: the server could not take it, also when asked again (%(why)s)"),
    "unknown": N_(
        "not known whether it was sent (%(why)s); it is not sent twice by itself. Look into the conversation, or at "
        "`xyfleet messages %(name)s`, before you send it again"
    ),
}
"""What each end but the good one means."""


@click.command(
    help=_(
        "Send a text to a conversation, as the account. TEXT - reads it from standard input. Exit codes: 0 sent, "
        "1 not sent or not known, 3 it waits to be sent."
    )
)
@click.argument("account")
@click.argument("conversation")
@click.argument("text")
@click.option("--to", metavar="USER", help=_("User id; default: whoever wrote last in that conversation."))
@click.option(
    "--wait",
    type=click.FloatRange(0, MAX_WAIT),
    default=DEFAULT_WAIT,
    metavar="S",
    help=_("Seconds to wait until it is sent; default 20."),
)
@common
@click.pass_obj
def send(setup: Setup, account: str, conversation: str, text: str, to: str | None, wait: float) -> int:
    """Send a text and say what became of it."""
    client = setup.client()
    body = {"name": account, "conversation": conversation, "text": _text(text), "to": to, "wait": wait}
    answer: dict[str, Any] = client.post("/v1/send", body, timeout=wait + SPARE)
    state = answer["state"]
    if state == "sent":
        click.echo(_("sent (message %(id)s)") % {"id": answer["message_id"]})
        return OK
    if state in _MEANS:
        raise Failure(FAILURE, _(_MEANS[state]) % {"why": answer["reason"] or "-", "name": account})
    words = _("not sent yet: it waits in the outbox as number %(n)s, and is sent when the account is connected")
    click.echo(words % {"n": answer["number"]}, err=True)
    return UNSENT


def _text(word: str) -> str:
    """Return the text that is meant, or say what is wrong with it."""
    try:
        text = word if word != "-" else sys.stdin.buffer.read(4 * MAX_TEXT + 3).decode().removesuffix("\n")
        text.encode()
    except UnicodeError:
        raise Failure(USAGE, _("the text is not in UTF-8")) from None
    if not text or text.isspace():
        raise Failure(USAGE, _("the text is empty"))
    if len(text) > MAX_TEXT:
        raise Failure(USAGE, _("the text has more than %(n)d characters") % {"n": MAX_TEXT})
    return text
