"""`python -m xyfleet.supervisor.simulator`: the built-in gateway as a process of its own. Shell."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import resource
import signal
import sys
import time
from pathlib import Path

import setproctitle
import uvloop

from xyfleet.supervisor.common import i18n
from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.simulator.faults import Fault
from xyfleet.supervisor.simulator.gateway import Options
from xyfleet.supervisor.simulator.script_reader import BadScript, read_script
from xyfleet.supervisor.simulator.server import Server, serve

_PR_SET_PDEATHSIG = 1


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    defaults = Options()
    parser = argparse.ArgumentParser(prog="python -m xyfleet.supervisor.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = any free one")
    parser.add_argument("--faults", type=Path, help="fault script (docs/simulator.md)")
    parser.add_argument("--tls", action="store_true", help="wss and https with the built-in test certificate")
    parser.add_argument("--parent-pid", type=int, help="die with this process, and leave Ctrl-C to it")
    parser.add_argument("--lang", choices=i18n.LANGUAGES, default=i18n.from_locale())
    parser.add_argument(
        "--repush", type=float, default=defaults.repush, help="seconds until an unacked push goes again"
    )
    parser.add_argument("--list-wait", type=float, default=defaults.list_wait, help="seconds after /reg without lists")
    parser.add_argument("--strict", action="store_true", help="refuse what only some public clients do")
    parser.add_argument("--token-ttl", type=float, default=defaults.token_ttl, help="seconds that a token lives")
    return parser.parse_args(argv)


def _die_with(parent: int) -> None:
    """Ask the kernel to kill us when our parent dies; leave at once if it is dead already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise SystemExit(1)


def _raise_file_limit() -> None:
    """Allow as many sockets as we may have: 2,000 accounts are more than the usual 1,024 files."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _script(path: Path | None) -> list[Fault]:
    if path is None:
        return []
    try:
        return read_script(path.read_text(encoding="utf-8-sig"), str(path), time.monotonic())
    except OSError as error:
        problem = _("cannot read %(path)s: %(reason)s") % {"path": path, "reason": error.strerror or error}
    except UnicodeDecodeError:
        problem = _("%(path)s is not UTF-8 text") % {"path": path}
    except BadScript as error:
        problem = "\n".join(error.problems)
    sys.stderr.write(problem + "\n")
    raise SystemExit(2)


def main(argv: list[str] | None = None) -> None:
    """Run the gateway; exit 2 for a fault script that can't be used, 1 for a port that can't."""
    arguments = _arguments(argv)
    if arguments.parent_pid is not None:
        _die_with(arguments.parent_pid)
    _raise_file_limit()
    i18n.use(arguments.lang)
    setproctitle.setproctitle("xyfleet: simulator")
    faults = _script(arguments.faults)
    options = Options(
        repush=arguments.repush,
        list_wait=arguments.list_wait,
        token_ttl=arguments.token_ttl,
        strict=arguments.strict,
    )
    try:
        server = Server(options, port=arguments.port, tls=arguments.tls)
    except OSError as error:
        sys.stderr.write(
            _("cannot listen on port %(port)s: %(reason)s") % {"port": arguments.port, "reason": error.strerror} + "\n"
        )
        raise SystemExit(1) from None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(server, faults, ignore_interrupt=arguments.parent_pid is not None))


if __name__ == "__main__":
    main()
