"""Why a hook's program could not be started, said before it is tried. Shell (looks at the file)."""

from __future__ import annotations

import os
from pathlib import Path

from xyfleet.worker.reasons import Reason


def diagnose(program: Path) -> Reason | None:
    """Return what is wrong with a program file, None when nothing is seen.

    The system's own answer to the two commonest mistakes is misleading: "no such file" for a script whose first line
    ends in CRLF, "permission denied" for a folder.
    """
    where: dict[str, str | int | float | Reason] = {"path": str(program)}
    if not program.exists():
        return Reason("program_missing", where)
    if not program.is_file():
        return Reason("program_no_file", where)
    if not os.access(program, os.X_OK):
        return Reason("program_not_executable", where)
    try:
        with program.open("rb") as file:
            first, newline, _ = file.read(4096).partition(b"\n")
    except OSError:
        return None  # A program that may be run and not read.
    if not first.startswith(b"#!"):
        return None
    if newline and first.endswith(b"\r"):
        return Reason("program_crlf", where)
    interpreter = first[2:].split()[:1]
    if not interpreter or not Path(os.fsdecode(interpreter[0])).exists():
        return Reason("program_interpreter", {"words": os.fsdecode(b"".join(interpreter)) or "none"})
    return None
