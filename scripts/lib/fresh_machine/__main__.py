"""`scripts/fresh-machine`: runs xyfleet on fresh Debian machines and prints a Markdown table. Shell (root).

Each machine is a minimal root file system (Python and certificates, nothing else) with a user without privileges, who
clones what is committed here and then does what the README says: start the example, look at it for a minute, stop it,
and run the quick tests. Network and pip settings are the host's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Never

from scripts.lib.fresh_machine import machine, report
from scripts.lib.fresh_machine.jail import Failed, enter

CHECKOUT = Path(__file__).parents[3]
TOOLS = ("debootstrap", "unshare", "setpriv", "chroot", "git", "apt-get", "tar")
EPILOG = "Needs root, debootstrap and git. Exit code 1: on one of the machines something is not as it must be."
BEGAN = time.monotonic()


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/fresh-machine",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suites", nargs="+", metavar="SUITE", help="Debian's name: bookworm, trixie, forky, sid")
    parser.add_argument(
        "--image", type=Path, metavar="FOLDER", help="only write each root file system as FOLDER/SUITE.tar"
    )
    parser.add_argument("--mirror", metavar="URL", help="take Debian from there (default: where this host's apt does)")
    found = parser.parse_args(words)
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0:
        parser.error("only root may make a root file system and enter it")
    if missing:
        parser.error(f"not installed: {', '.join(missing)}")
    return found


def progress(text: str) -> None:
    """Tell whoever waits what is going on, and how many seconds it has been."""
    sys.stderr.write(f"fresh-machine {time.monotonic() - BEGAN:6.1f} s: {text}\n")
    sys.stderr.flush()


def proxies() -> Mapping[str, str]:
    """Return the variables that say how the network is reached."""
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def visit(suite: str, root: Path) -> dict[str, Any]:
    """Let the new user do it all; return what came of it."""
    machine.hand_in(root)
    machine.settle(root, CHECKOUT)
    progress(f"{suite}: what the README says")
    guest = f"cd {machine.PROJECT} && exec python3 -I scripts/lib/fresh_machine/guest.py"
    found: dict[str, Any] = json.loads(enter(root, machine.USER, machine.HOME, ["sh", "-c", guest], proxies()))
    return found


def make(suite: str, source: str, image: Path | None) -> dict[str, Any] | None:
    """Build one machine in a temporary folder; write its image, or return what came of the visit."""
    with tempfile.TemporaryDirectory(prefix="xyfleet-fresh-") as folder:
        root = Path(folder, "root")
        progress(f"{suite}: building the root file system")
        machine.build(suite, root, source)
        if image is None:
            return visit(suite, root)
        image.mkdir(parents=True, exist_ok=True)
        machine.pack(root, image / f"{suite}.tar")
        return None


def run(suites: Sequence[str], source: str, image: Path | None) -> int:
    """Make one machine after the other; return the exit code."""
    rows: list[str] = []
    code = 0
    for suite in suites:
        try:
            found = make(suite, source, image)
        except Failed as error:
            progress(f"{suite}: {error}")
            code = 1
            continue
        if found is not None:
            rows.append(report.row(suite, found))
            for fault in report.faults(found):
                progress(f"{suite}: {fault}")
                code = 1
    if rows:
        sys.stdout.write(report.table(rows))
    return code


def end(number: int, frame: object) -> Never:
    """Leave through every `with`: nothing may stay behind."""
    raise SystemExit(128 + number)


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    found = options(words)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        return run(found.suites, found.mirror or machine.mirror(), found.image)
    except Failed as error:
        progress(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
