"""`python -m xyfleet.supervisor`: the supervisor process itself, as `xyfleet start` runs it. Shell.

It must be started this way and no other: multiprocessing runs a script's `__main__` again in every worker, but not a
module called `__main__` (docs/processes.md 5.1).
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from xyfleet.supervisor.common import standard_streams
from xyfleet.supervisor.runtime.bootstrap import Options, boot
from xyfleet.supervisor.runtime.claims import FAILURE
from xyfleet.supervisor.runtime.leaving import leave


def options(words: list[str]) -> Options:
    """Return the daemon's options; people use `xyfleet start`."""
    parser = argparse.ArgumentParser(prog="python -m xyfleet.supervisor")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--lang", choices=("zh", "en"))
    parser.add_argument("--ready-fd", type=int)
    found = parser.parse_args(words)
    return Options(
        file=found.file,
        detach=found.detach,
        fresh=found.fresh,
        verbose=found.verbose,
        language=found.lang,
        ready_fd=found.ready_fd,
    )


def main(found: Options) -> NoReturn:
    """Run a fleet, and end the process."""
    code = FAILURE
    try:
        code = boot(found)
    except Exception:  # noqa: BLE001 (told as the interpreter would)
        traceback.print_exc()
    leave(code)


if __name__ == "__main__":
    standard_streams.fill()
    main(options(sys.argv[1:]))
