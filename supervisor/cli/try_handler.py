"""`xyfleet try`: an account's handler or webhook called with a made-up message; nothing is sent. Shell."""

from __future__ import annotations

import asyncio
import difflib
import os
import time
from pathlib import Path
from typing import Final

import click

from xyfleet.supervisor.cli.base import FAILURE, OK, USAGE, Failure, Setup, common
from xyfleet.supervisor.common.errors import UnknownName
from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.common.paths import handler_packages
from xyfleet.supervisor.config.load import load
from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.handler_trials import messages, process, webhook
from xyfleet.supervisor.handler_trials.process import own_part
from xyfleet.supervisor.presentation.reason_text import reason_words
from xyfleet.supervisor.settings import Account, Settings
from xyfleet.worker.handlers.trial import Tried
from xyfleet.worker.protocol.message import HandedMessage
from xyfleet.worker.text import printable

MOST: Final = 100
"""Calls of one trial."""


@click.command(
    help=_(
        "Call a handler or webhook with a made-up message. Shows answer, output and time. Nothing is"
        " sent, and no key of deliver.yml is used; what the program itself does, it does."
    )
)
@click.argument("name", metavar="NAME")
@click.argument("text", metavar="[TEXT]", default="在吗")
@click.option("--order", "paid", is_flag=True, help=_("The card of a paid order instead of a text."))
@click.option("--spec", metavar="TEXT", help=_("With --order: the variant that was bought."))
@click.option("--image", is_flag=True, help=_("An image; TEXT is its address."))
@click.option("--item", default=messages.ITEM, metavar="ID", help=_("The item that the talk is about."))
@click.option("--repeat", type=click.IntRange(1, MOST), default=1, help=_("So many messages, one after the other."))
@click.option("--file", type=click.Path(path_type=Path), help=_("Accounts file; default: the running fleet's."))
@common
@click.pass_obj
def try_handler(
    setup: Setup,
    /,
    name: str,
    text: str,
    paid: bool,
    spec: str | None,
    image: bool,
    item: str,
    repeat: int,
    file: Path | None,
) -> int:
    """Try it."""
    settings = _settings(Path(setup.record().file) if file is None else file)
    account = settings.accounts.get(name)
    if account is None:
        near = difflib.get_close_matches(name, settings.accounts, n=1)
        raise Failure(USAGE, UnknownName([name], near).text.say(setup.language))
    now = int(time.time() * 1000)
    asked: list[HandedMessage] = []
    for number in range(1, repeat + 1):
        if paid:
            asked.append(messages.paid(name, number, item, now))
        else:
            make = messages.image if image else messages.text
            asked.append(make(name, number, text, item, now))
    return _show(account, settings, asked, spec, setup)


def _settings(file: Path) -> Settings:
    try:
        return load(file, os.environ)
    except BadFile as bad:
        raise Failure(USAGE, str(bad)) from None


def _show(account: Account, settings: Settings, asked: list[HandedMessage], spec: str | None, setup: Setup) -> int:
    """Call and show; return the exit code."""
    output, folder = "", settings.path.parent
    if account.handler is not None:
        trial = process.trial_of(account, folder, asked, handler_packages(settings.fleet.state_dir), spec)
        result, output = process.run(trial, setup.environment)
    elif account.webhook is not None:
        result = asyncio.run(webhook.run(account.webhook, asked, account.mail.handler_timeout))
    else:
        raise Failure(USAGE, _("%(name)s has neither a handler nor a webhook") % {"name": account.name})
    if result.trouble is not None:
        _complain(
            _("can't be loaded: %(why)s") % {"why": reason_words(result.trouble, setup.language)},
            own_part(result.trace, folder),
        )
    for tried in result.tried:
        _tell(tried, folder)
    for line in output.splitlines():
        click.echo(f"| {printable(line)}")
    return FAILURE if result.trouble is not None or any(each.failed is not None for each in result.tried) else OK


def _tell(tried: Tried, folder: Path) -> None:
    click.echo(_("%(seconds).2f s") % {"seconds": tried.seconds})
    for line in tried.did:
        click.echo(_("  meanwhile: %(what)s") % {"what": printable(line)})
    if tried.failed is not None:
        _complain(_("  failed: %(why)s") % {"why": tried.failed}, own_part(tried.trace, folder))
    elif tried.answer is None:
        click.echo(_("  no answer"))
    else:
        _tell_answer(tried)


def _tell_answer(tried: Tried) -> None:
    assert tried.answer is not None
    for reply in tried.answer.replies:
        pause = _(" (after %(seconds)g s)") % {"seconds": reply.after} if reply.after else ""
        parts = [part for part in (reply.text, reply.image and _("image %(path)s") % {"path": reply.image}) if part]
        click.echo(f"  → {printable(' + '.join(parts))}{pause}")
    if (hand_over := tried.answer.hand_over) is not None:
        words = {"minutes": hand_over.minutes, "why": hand_over.why or "-"}
        click.echo(_("  given to a person for %(minutes)g min: %(why)s") % words)


def _complain(text: str, trace: list[str]) -> None:
    for line in (text, *trace):
        click.echo(printable(line), err=True)
