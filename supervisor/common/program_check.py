"""Why a hook's program could not be started, said before it is tried. Shell (looks at the file)."""

from __future__ import annotations

import os
from pathlib import Path


def diagnose(program: Path) -> str | None:
    """Return what is wrong with a program file in a few words, None when nothing is seen.

    The system's own answer to the two commonest mistakes is misleading: "no such file" for a script whose first line
    ends in CRLF, "permission denied" for a folder.
    """
    if not program.exists():
        return f"missing: {program}"
    if not program.is_file():
        return f"not a file: {program}"
    if not os.access(program, os.X_OK):
        return f"not executable; do: chmod +x {program}"
    try:
        with program.open("rb") as file:
            first, newline, _ = file.read(4096).partition(b"\n")
    except OSError:
        return None  # A program that may be run and not read.
    if not first.startswith(b"#!"):
        return None
    if newline and first.endswith(b"\r"):
        return f"bad interpreter: first line ends in CRLF (Windows line ends); do: sed -i 's/\\r$//' {program}"
    interpreter = first[2:].split()[:1]
    if not interpreter or not Path(os.fsdecode(interpreter[0])).exists():
        return f"bad interpreter: {os.fsdecode(b''.join(interpreter)) or 'none'} is not there"
    return None
