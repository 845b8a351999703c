"""`scripts/pythons`: runs the marked tests on every other Python of this machine and prints which it could test. Shell.

The Python of .venv is left out: `scripts/test` runs everything on it. Each other one gets an environment and a copy of
the tree in a temporary folder.
"""

from __future__ import annotations

import argparse
import platform
import signal
import sys
import time
from pathlib import Path

import click

from scripts.lib.pythons import find
from scripts.lib.pythons.find import Python
from scripts.lib.pythons.trial import Result, Trial, tried

ROOT = Path(__file__).parents[3]
NEWEST = (3, 15)
"""The newest Python that there is; one that is newer is tried too where it is found."""
EPILOG = (
    "Exit code 1: the tests fail on one of them. A Python that is not here, or for which this machine can't make an "
    "environment (no network, say), is named and is no failure."
)


def main(words: list[str] | None = None) -> int:
    """Try all; return the exit code."""
    options = _options(words)
    end = time.monotonic() + options.within * 60
    at_hand = platform.python_version()
    pythons = [each for each in find.found(options.folders or find.usual_folders()) if each.version != at_hand]
    click.echo(f"== other Pythons here: {' '.join(each.version for each in pythons) or 'none'}")
    rows: list[tuple[Python, Trial, float]] = []
    for python in pythons:
        began = time.monotonic()
        trial = _tried(options.tree, python, end - began)
        rows.append((python, trial, time.monotonic() - began))
    return _tell(at_hand, rows)


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/pythons", description=__doc__, epilog=EPILOG)
    parser.add_argument("--within", type=float, default=14.0, metavar="MINUTES", help="for all of them (default: 14)")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout to test (default: this one)")
    parser.add_argument(
        "folders", nargs="*", type=Path, help="where Pythons are looked for (default: PATH, /usr, pyenv)"
    )
    return parser.parse_args(words)


def _tried(root: Path, python: Python, within: float) -> Trial:
    if within <= 0:
        return Trial(Result.NOT_TESTED, "no time was left for it")
    click.echo(f"\n== Python {python.version}, {python.path}")
    return tried(root, python, within)


def _tell(at_hand: str, rows: list[tuple[Python, Trial, float]]) -> int:
    """Print the table; return the exit code."""
    click.echo(f"\n== Pythons\n{at_hand:<12} the one at hand: see ./scripts/test")
    for python, trial, seconds in rows:
        click.echo(
            f"{python.version:<12} {trial.result.value:<10} {seconds:4.0f} s  {python.path}  {trial.words}".rstrip()
        )
    minors = {python.minor for python, _, _ in rows} | {sys.version_info[:2]}
    absent = [f"3.{minor}" for minor in range(find.OLDEST[1], NEWEST[1] + 1) if (3, minor) not in minors]
    absent += [python.version for python, trial, _ in rows if trial.result is Result.NOT_TESTED]
    if absent:
        click.echo(f"== NOT TESTED, not to be had here: {', '.join(absent)}")
    failed = [python.version for python, trial, _ in rows if trial.result is Result.FAILED]
    click.echo(f"== FAILED: {', '.join(failed)}" if failed else "== all is well")
    return 1 if failed else 0


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # so that whoever ends this leaves nothing behind
    sys.exit(main())
