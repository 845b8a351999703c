"""`xyfleet check`: everything that is wrong with an accounts file, before anything is started. Shell."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click
from msgspec import structs

from xyfleet.supervisor.cli.base import OK, USAGE, Setup, common
from xyfleet.supervisor.cli.packages import install
from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.common.paths import PathRefused, handler_packages
from xyfleet.supervisor.common.private_folders import owners, refuse_foreign
from xyfleet.supervisor.config.capacity import inbox_bytes, shortfalls
from xyfleet.supervisor.config.load import load_with_warnings
from xyfleet.supervisor.config.log_budget import log_bytes
from xyfleet.supervisor.config.machine_limits import read_limits
from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.credentials.at_rest import records
from xyfleet.supervisor.credentials.browser_changes import changes
from xyfleet.supervisor.handler_trials import process
from xyfleet.supervisor.presentation.reason_text import reason_words
from xyfleet.supervisor.settings import Settings
from xyfleet.worker.process.hardening import keep_secrets
from xyfleet.worker.text import printable

_TRACE_LINES: Final = 12
"""Lines of a traceback that are shown."""


@click.command(help=_("Check an accounts file. All that is wrong with it is said; nothing is started."))
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@common
@click.pass_obj
def check(setup: Setup, file: Path) -> int:
    """Check a file."""
    keep_secrets()
    try:
        settings, warnings = load_with_warnings(file, os.environ)
    except BadFile as bad:
        for problem in bad.problems:
            click.echo(str(problem), err=True)
        text = _("%(file)s is not good; problems: %(n)d")
        click.echo(text % {"file": file, "n": len(bad.problems)}, err=True)
        return USAGE
    install(settings, setup.environment)
    limits = read_limits(settings.fleet.log.dir, settings.fleet.state_dir)
    machine = [*_foreign(settings), *shortfalls(settings, limits)]
    _warn([*map(str, warnings), *machine, *_browsers(settings, setup.language), *_unloadable(settings, setup)])
    click.echo(_summary(settings))
    return OK


def _foreign(settings: Settings) -> Iterator[str]:
    """Yield why a start by this user would be refused; another one, a service's, may own the folders rightly."""
    for folder in (settings.fleet.state_dir, settings.fleet.log.dir):
        try:
            if folder is not None:
                refuse_foreign(folder, owners(settings.path))
        except PathRefused as refusal:
            yield str(refusal)


def _browsers(settings: Settings, language: str) -> Iterator[str]:
    """Yield whose browser is another one than the file says, as far as this user may see what is kept of them."""
    wanted = {name: it.identity for name, it in settings.accounts.items() if it.identity is not None and it.enabled}
    held = records(settings.fleet.state_dir, wanted)
    if (text := changes((name, held[name], wanted[name]) for name in held)) is not None:
        yield text.say(language)


def _unloadable(settings: Settings, setup: Setup) -> Iterator[str]:
    """Yield why handlers of the owner's can't be loaded; each is loaded once, in a process of its own."""
    tried: set[str] = set()
    for account in settings.accounts.values():
        handler = process.own_handlers(account)
        if handler is None or handler in tried:
            continue
        tried.add(handler)
        packages = handler_packages(settings.fleet.state_dir)
        trial = process.trial_of(structs.replace(account, handler=handler), settings.path.parent, [], packages)
        result, output = process.run(trial, setup.environment)
        if result.trouble is not None:
            yield _("the handler %(handler)s can't be loaded: %(why)s") % {
                "handler": handler,
                "why": reason_words(result.trouble, setup.language),
            }
            lines = process.own_part(result.trace, settings.path.parent) or output.splitlines()
            yield from (f"| {printable(line)}" for line in lines[-_TRACE_LINES:])


def _warn(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        click.echo(_("warning: %(text)s") % {"text": sentence}, err=True)


def _summary(settings: Settings) -> str:
    accounts = settings.accounts.values()
    text = _(
        "%(file)s is good: %(n)d accounts, %(enabled)d enabled, log files of %(bytes)s bytes at most, "
        "messages of %(inbox)s bytes at most"
    )
    values = {
        "file": settings.path,
        "n": len(accounts),
        "enabled": sum(account.enabled for account in accounts),
        "bytes": f"{log_bytes(settings).worst_case:,}",
        "inbox": f"{inbox_bytes(settings):,}",
    }
    summary = text % values
    if settings.fleet.simulator is None:
        return summary
    return _("SIMULATOR: the built-in gateway; no real account is touched") + "\n" + summary
