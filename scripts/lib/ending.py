"""How the long scripts begin and end: whoever interrupts them finds nothing left of what they started. Shell."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Final, NoReturn

INTERRUPTED: Final = 130


def run(main: Callable[[], int], progress: Callable[[str], None]) -> NoReturn:
    """Run `main` and leave with its exit code; SIGTERM and SIGHUP end it as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        progress("interrupted; everything that was started is ended")
        sys.exit(INTERRUPTED)
