"""The command `xyfleet`: finds the command meant, and turns every end into an exit code. Shell.

Commands are imported when they are run: `status` must not wait for the imports of `check`.
"""

from __future__ import annotations

import gettext
import importlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from xyfleet.supervisor.api.client import NoAnswer, Refused
from xyfleet.supervisor.cli.base import (
    FAILURE,
    INTERRUPTED,
    OK,
    USAGE,
    Failure,
    Setup,
    fleet_option,
    language_option,
    no_answer,
    refused,
)
from xyfleet.supervisor.common import i18n, standard_streams
from xyfleet.supervisor.common.i18n import _
from xyfleet.worker.version import VERSION

COMMANDS: Final = {
    "start": "start",
    "status": "status",
    "stop": "accounts",
    "restart": "accounts",
    "reconnect": "accounts",
    "refresh": "accounts",
    "login": "login",
    "reload": "accounts",
    "check": "check",
    "logs": "logs",
    "events": "events",
    "messages": "messages",
    "send": "send",
    "talks": "talks",
    "talk": "talks",
    "open-talk": "talks",
    "read": "talks",
    "recall": "talks",
    "forget": "forget",
    "wire-report": "wire_report",
    "try": "try_handler",
    "simulate": "simulate",
}
"""Each command and its module in this package."""
_FUNCTIONS: Final = {"try": "try_handler"}
"""Commands whose names no function can have."""
_COOKIE: Final = re.compile(
    r"""\b(?:unb|cookie2|cookie17|sgcookie|_m_h5_tk|_m_h5_tk_enc|_tb_token_)["']?\s*=\s*["']?[^\s"';]"""
    r"""|"(?:unb|cookie2|sgcookie|_m_h5_tk)\""""
    r"|(?:[\w-]+=[^;\s]+;\s*){2}[\w-]+=",
    re.ASCII,
)
"""What nobody writes who does not mean a cookie: names of login cookies, or three pairs in a row."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"xyfleet.supervisor.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, _FUNCTIONS.get(cmd_name, cmd_name.replace("-", "_")))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            from difflib import get_close_matches

            if near := get_close_matches(args[0], COMMANDS, n=1, cutoff=0.7):
                text = _("no command %(name)s; did you mean %(near)s?")
                raise click.UsageError(text % {"name": args[0], "near": near[0]}, ctx)
        return super().resolve_command(ctx, args)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's own) and return its exit code."""
    standard_streams.fill()
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a GBK terminal lacks some signs
    setup = Setup(_asked_language(words))
    _speak_to_click(setup.language)
    if any(map(_COOKIE.search, words)):
        text = _(
            "a word of this command line looks like a cookie (it is not shown): other users of this machine can read it"
            " there, and the shell keeps it; nothing was done. xyfleet login NAME asks for it, or reads it from a pipe"
        )
        return _fail(Failure(USAGE, text))
    try:
        return _run(words, setup)
    except BrokenPipeError:
        # `xyfleet status | head`: the reader has seen enough. What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def _run(words: list[str], setup: Setup) -> int:
    try:
        code = _group().main(words, prog_name="xyfleet", standalone_mode=False, obj=setup)
        sys.stdout.flush()
        return int(code or OK)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except NoAnswer as error:
        return _fail(no_answer(error))
    except Refused as error:
        return _fail(refused(error))
    except Failure as failure:
        return _fail(failure)


def _fail(failure: Failure) -> int:
    click.echo(f"xyfleet: {failure.text}", err=True)
    return failure.code


def _asked_language(words: Sequence[str]) -> str | None:
    """Return the value of `--lang` wherever it stands, if it is a known one; click checks it again."""
    for i, word in enumerate(words):
        value = words[i + 1] if word == "--lang" and i + 1 < len(words) else word.removeprefix("--lang=")
        if value in i18n.LANGUAGES and word.startswith("--lang"):
            return value
    return None


def _speak_to_click(language: str) -> None:
    """Have click's own words ("Usage:", "No such option") from our catalogue: it asks gettext's global domain."""
    gettext.bindtextdomain("xyfleet", str(Path(i18n.__file__).parents[1] / "locale"))
    gettext.textdomain("xyfleet")
    os.environ["LANGUAGE"] = language


def _show_version(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"xyfleet {VERSION}")
        context.exit()


def _group() -> click.Group:
    """Return the command group; made when the language is known, because help texts are chosen here."""

    @click.group(
        cls=_LazyGroup,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=_("Keeps many Xianyu accounts connected: one process and one proven-alive connection for each."),
        epilog=_(
            "Exit codes: 0 all well, 1 failure, 2 wrong usage, unknown account or bad file, "
            "3 some accounts not connected, 4 the fleet does not answer, 7 no such fleet running."
        ),
    )
    @language_option(hidden=False)
    @fleet_option(hidden=False)
    @click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help=_("Show the version and exit."),
    )
    def group() -> None:
        pass

    return group
