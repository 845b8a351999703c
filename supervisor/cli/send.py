"""`xyfleet send`: one text to one conversation. Shell."""

from __future__ import annotations

import re
import sys
from typing import Any, Final

import click

from xyfleet.supervisor.cli.base import FAILURE, OK, USAGE, Failure, Setup, common
from xyfleet.supervisor.common.i18n import N_, _
from xyfleet.supervisor.presentation.terminal import printable

UNSENT: Final = 3
"""It waits in the outbox."""
DEFAULT_WAIT: Final = 20.0
MAX_WAIT: Final = 300.0
MAX_TEXT: Final = 4000
"""Characters."""
_MOST_BYTES: Final = 4 * MAX_TEXT + 6
"""So many bytes, a byte order mark and the last line's end among them, are more characters in any case."""
_NO_OPTION: Final = re.compile(r"-(?![A-Za-z-]|$)|--(?![A-Za-z]|$)")
"""How a text begins that is none of our options, though a minus stands before it: `-50元`."""
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


def _number(_context: click.Context, _option: click.Parameter, value: float) -> float:
    """Refuse `nan`, which is out of no range."""
    if value != value:
        raise click.BadParameter(_("not a number"))
    return value


def some(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an id that is empty, or holds what no id has."""
    if value is not None and not (value.isascii() and value.isprintable() and value.strip() == value != ""):
        raise click.BadParameter(_("not an id: see the output of `xyfleet messages --json`"))
    return value


class _TextWithMinus(click.Command):
    """Click would take `-50元` for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        valued = {name for option in self.params if isinstance(option, click.Option) for name in option.opts}
        for i, word in enumerate(args):
            if word == "--":
                break
            if _NO_OPTION.match(word) and not (i and args[i - 1] in valued):
                # It is the last argument in any case; options may stand behind it.
                return super().parse_args(ctx, [*args[:i], *args[i + 1 :], "--", word])
        return super().parse_args(ctx, args)


@click.command(
    cls=_TextWithMinus,
    help=_(
        "Send a text or an image to a conversation, as the account. TEXT - reads it from standard input. Exit codes: "
        "0 sent, 1 not sent or not known, 3 it waits to be sent."
    ),
)
@click.argument("account")
@click.argument("conversation", callback=some)
@click.argument("text", required=False)
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help=_("Send this image (JPEG, PNG or WebP, at most 10 MiB) instead of a text."),
)
@click.option(
    "--to", callback=some, metavar="USER", help=_("User id; default: whoever wrote last in that conversation.")
)
@click.option(
    "--wait",
    type=click.FloatRange(0, MAX_WAIT),
    callback=_number,
    default=DEFAULT_WAIT,
    metavar="S",
    help=_("Seconds to wait until it is sent; default 20."),
)
@common
@click.pass_obj
def send(
    setup: Setup, account: str, conversation: str, text: str | None, image: str | None, to: str | None, wait: float
) -> int:
    """Send a text or an image and say what became of it."""
    if (text is None) == (image is None):
        raise click.UsageError(_("a text or --image, one of them"))
    client = setup.client()
    said = {"text": _text(text)} if text is not None else {"image": image}
    body = {"name": account, "conversation": conversation, **said, "to": to, "wait": wait}
    answer: dict[str, Any] = client.post("/v1/send", body, timeout=wait + SPARE)
    state = answer["state"]
    if state == "sent":
        click.echo(_("sent (message %(id)s)") % {"id": printable(answer["message_id"])})
        return OK
    if state in _MEANS:
        raise Failure(FAILURE, _(_MEANS[state]) % {"why": printable(answer["reason"] or "-"), "name": account})
    words = _("not sent yet: it waits in the outbox as number %(n)s, and is sent when the account is connected")
    click.echo(words % {"n": answer["number"]}, err=True)
    return UNSENT


def _text(word: str) -> str:
    """Return the text that is meant, or say what is wrong with it."""
    try:
        text = word if word != "-" else _piped()
        text.encode()
    except UnicodeError:
        raise Failure(USAGE, _("the text is not in UTF-8")) from None
    if not text or text.isspace():
        raise Failure(USAGE, _("the text is empty"))
    if len(text) > MAX_TEXT:
        raise _too_long()
    return text


def _piped() -> str:
    data = sys.stdin.buffer.read(_MOST_BYTES)
    if len(data) == _MOST_BYTES:  # and the last character of what was read may be cut
        raise _too_long()
    return data.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n")


def _too_long() -> Failure:
    return Failure(USAGE, _("the text has more than %(n)d characters") % {"n": MAX_TEXT})
