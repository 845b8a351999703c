"""`xyfleet status`. Shell.

`status --json` is asked for by scripts all day, so it passes the answer on unread; what a table needs is imported
only for a table.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from xyfleet.supervisor.api.client import Answer, Client
from xyfleet.supervisor.cli.base import FAILURE, NOT_CONNECTED, OK, Failure, Setup, common
from xyfleet.supervisor.common.i18n import _

WATCH_EVERY: Final = 2.0
"""Seconds between two pictures of `--watch`."""

_OTHER_SCREEN, _BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def _share(_context: click.Context, _option: click.Parameter, value: str) -> tuple[float, bool]:
    """Return a number of accounts (`3`) or a share of them (`1%`): the number, and whether it is a share."""
    try:
        number = float(value.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise click.BadParameter(_("%(value)s is neither a number nor a share like 1%%") % {"value": value})
    return number, value.endswith("%")


@click.command(help=_("Show how the accounts are. Names, globs and @tags choose some of them."))
@click.argument("names", nargs=-1, metavar="[NAME|GLOB|@TAG]...")
@click.option("--json", "as_json", is_flag=True, help=_("For programs; the fields are stable."))
@click.option("--watch", is_flag=True, help=_("Show it again every 2 seconds, until Ctrl-C."))
@click.option(
    "--max-down",
    callback=_share,
    default="0",
    metavar="N|N%",
    help=_("So many accounts may be down before the exit code is 3; default 0."),
)
@common
@click.pass_obj
def status(setup: Setup, names: tuple[str, ...], as_json: bool, watch: bool, max_down: tuple[float, bool]) -> int:
    """Show the fleet once or again and again, and say by the exit code whether enough of it is connected."""
    client = setup.client()
    if watch:
        _watch(client, setup, names, as_json)
    answer = _ask(client, names)
    if as_json:
        _pass_on(answer)
    else:
        _show(answer, setup)
    return NOT_CONNECTED if _too_many_down(answer.down, max_down) else OK


def _ask(client: Client, names: tuple[str, ...]) -> Answer:
    return client.get("/v1/status", name=list(names))


def _too_many_down(down: tuple[int, int], max_down: tuple[float, bool]) -> bool:
    missing, wanted = down
    number, share = max_down
    return missing > (wanted * number / 100 if share else number)


def _pass_on(answer: Answer) -> None:
    sys.stdout.buffer.write(answer.body + b"\n")
    sys.stdout.flush()


def _show(answer: Answer, setup: Setup) -> None:
    click.echo("\n".join(_picture(answer, setup, None)))


def _picture(answer: Answer, setup: Setup, width: int | None) -> list[str]:
    from datetime import UTC, datetime

    import msgspec

    from xyfleet.supervisor.common.timestamps import zone
    from xyfleet.supervisor.control.status_schema import StatusView
    from xyfleet.supervisor.presentation import status_table

    try:
        view = msgspec.json.decode(answer.body, type=StatusView)
    except msgspec.MsgspecError:
        text = _("the running fleet is of another version; restart it, or use --json")
        raise Failure(FAILURE, text) from None
    look = status_table.TableStyle(setup.language, zone(view.fleet.timezone), colour=sys.stdout.isatty(), width=width)
    return status_table.status(view, look, datetime.now(UTC))


def _watch(client: Client, setup: Setup, names: tuple[str, ...], as_json: bool) -> None:
    """Show the status until somebody interrupts."""
    with _own_screen(sys.stdout.isatty() and not as_json):
        while True:
            answer = _ask(client, names)
            if as_json:
                _pass_on(answer)
            elif sys.stdout.isatty():
                _redraw(answer, setup)
            else:
                _show(answer, setup)
                click.echo()
            time.sleep(WATCH_EVERY)


@contextmanager
def _own_screen(wanted: bool) -> Iterator[None]:
    """Use the terminal's second screen, so that the first is as it was afterwards."""
    if not wanted:
        yield
        return
    sys.stdout.write(_OTHER_SCREEN)
    try:
        yield
    finally:
        sys.stdout.write(_BACK)
        sys.stdout.flush()


def _redraw(answer: Answer, setup: Setup) -> None:
    """Draw over the last picture, line by line: nothing flickers. What does not fit is said to be there."""
    import shutil

    columns, rows = shutil.get_terminal_size()
    lines = _picture(answer, setup, columns)
    if len(lines) > rows:
        more = _("… %(n)d more lines; make the window larger or name some accounts") % {"n": len(lines) - rows + 1}
        lines = [*lines[: rows - 1], more]
    sys.stdout.write("\x1b[H" + "\x1b[K\r\n".join(lines) + "\x1b[K\x1b[J")
    sys.stdout.flush()
