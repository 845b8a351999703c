"""`xyfleet login`: hands one cookie to the fleet, unseen. Shell."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from xyfleet.supervisor.cli.base import FAILURE, OK, Failure, Setup, common
from xyfleet.supervisor.common.i18n import _
from xyfleet.worker.process.hardening import keep_secrets

MAX_COOKIE: Final = 64 * 1024
"""Most bytes of a cookie; real ones have some KiB."""
LOGIN_TIMEOUT: Final = 60.0

_ERASE: Final = (b"\x7f", b"\x08")
_END: Final = (b"\n", b"\r", b"\x04")


@click.command(
    help=_("Give an account a new cookie. It is pasted unseen, or piped in, and never stands in a command line.")
)
@click.argument("name")
@click.option("--qr", is_flag=True, help=_("Show a code in the terminal, to be scanned with the Xianyu app."))
@click.option("--browser", is_flag=True, help=_("Open a browser, log in there, and have the cookie taken from it."))
@click.option(
    "--user-agent",
    metavar="TEXT",
    help=_("User agent of the browser that the cookie was made in; without it: as the file says."),
)
@common
@click.pass_obj
def login(setup: Setup, name: str, *, qr: bool, browser: bool, user_agent: str | None) -> int:
    """Read one cookie and hand it on; or show a code and tell what becomes of it."""
    keep_secrets()
    client = setup.client()
    if qr:
        from xyfleet.supervisor.cli.qr_login import qr_login

        return qr_login(client, name)
    if browser:
        from xyfleet.supervisor.cli.browser_login import browser_login

        return browser_login(client, name)
    cookie = _read_cookie(name)
    wish = {"name": name, "cookie": cookie} | ({} if user_agent is None else {"user_agent": user_agent})
    answer = client.post("/v1/login", wish, timeout=LOGIN_TIMEOUT)
    for warning in answer["warnings"]:
        click.echo(warning, err=True)
    click.echo(_("new cookie stored for %(name)s") % {"name": name})
    return OK


def _read_cookie(name: str) -> str:
    if sys.stdin.isatty():
        question = _("Paste the cookie of %(name)s and press Enter (it is not shown): ") % {"name": name}
        data = _read_hidden(sys.stdin.fileno(), question)
    else:
        data = sys.stdin.buffer.read(MAX_COOKIE + 1)
    if len(data) > MAX_COOKIE:
        raise Failure(FAILURE, _("that is no cookie: more than %(n)d bytes") % {"n": MAX_COOKIE})
    try:
        cookie = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Failure(FAILURE, _("that is no cookie: not text")) from None
    if not cookie:
        raise Failure(FAILURE, _("no cookie was given"))
    return cookie


def _read_hidden(terminal: int, question: str) -> bytes:
    """Return a line typed or pasted unseen. Not `getpass`: a terminal's own line mode loses all after 4095 bytes."""
    data = b""
    with _unseen(terminal):
        # Only now: who pastes at once must not be shown either.
        click.echo(question, nl=False, err=True)
        while (byte := os.read(terminal, 1)) and byte not in _END:
            data = data[:-1] if byte in _ERASE else data + byte
    click.echo(err=True)
    return data


@contextmanager
def _unseen(terminal: int) -> Iterator[None]:
    """Have the terminal hand on every byte at once and show none."""
    before = termios.tcgetattr(terminal)
    quiet = [*before]
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        # Flushed: the further lines of a paste must not become commands of the shell, and stand in its history.
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
