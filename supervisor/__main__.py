"""`python -m xyfleet.supervisor`: the supervisor process itself, as `xyfleet start` runs it. Shell.

It must be started this way and no other: multiprocessing runs a script's `__main__` again in every worker, but not a
module called `__main__` (docs/processes.md 5.1).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from xyfleet.supervisor.common import standard_streams
from xyfleet.supervisor.runtime.bootstrap import Options, boot


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


if __name__ == "__main__":
    standard_streams.fill()
    sys.exit(boot(options(sys.argv[1:])))
