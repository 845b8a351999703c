"""`xyfleet simulate`: the built-in gateway on its own, for rehearsals. Shell."""

from __future__ import annotations

import os
import sys

import click

from xyfleet.supervisor.cli.base import Setup, common
from xyfleet.supervisor.cli.simulate_say import say
from xyfleet.supervisor.cli.simulate_scan import scan
from xyfleet.supervisor.common.i18n import _

_SECONDS = click.FloatRange(min=0)


@click.group(
    invoke_without_command=True,
    help=_(
        "Run the built-in gateway alone. For rehearsals and tests; it prints its addresses as JSON. `simulate say`"
        " speaks as a buyer to a fleet that rehearses; `simulate scan` is its phone."
    ),
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help=_("Port on 127.0.0.1; default: a free one."))
@click.option("--faults", type=click.Path(exists=True, dir_okay=False), help=_("Script of faults."))
@click.option("--tls", is_flag=True, help=_("Speak TLS, with a certificate of its own."))
@click.option("--strict", is_flag=True, help=_("Refuse what only some public clients do (docs/simulator.md)."))
@click.option("--repush", type=_SECONDS, help=_("Seconds until an unacked push is sent again; default 3."))
@click.option("--list-wait", type=_SECONDS, help=_("Seconds after /reg until lists are answered; default 3."))
@click.option("--token-ttl", type=_SECONDS, help=_("Seconds that a token lives; default a day."))
@common
@click.pass_obj
def simulate(setup: Setup, /, port: int, faults: str | None, tls: bool, strict: bool, **times: float | None) -> None:
    """Become the gateway, unless a buyer is to speak."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    # -P: a file of the working directory must not stand in for a module.
    words = [sys.executable, "-P", "-m", "xyfleet.supervisor.simulator", "--port", str(port)]
    words += ["--faults", faults] if faults else []
    words += ["--tls"] if tls else []
    words += ["--strict"] if strict else []
    for name, seconds in times.items():
        words += [] if seconds is None else [f"--{name.replace('_', '-')}", str(seconds)]
    words += ["--lang", setup.language]
    click.echo(_("SIMULATOR: the built-in gateway runs until Ctrl-C"), err=True)
    sys.stdout.flush()
    os.execve(words[0], words, setup.environment)


simulate.add_command(say)
simulate.add_command(scan)
