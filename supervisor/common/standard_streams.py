"""Descriptors 0 to 2, which whoever started us may have closed. Shell."""

from __future__ import annotations

import os
import sys


def fill() -> None:
    """
    Open /dev/null in the place of each closed one of them, before anything else takes its number.

    A socket or a lock that got the number would be written to as if it were the terminal, and closed with it.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115  # it lives as long as the process
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
