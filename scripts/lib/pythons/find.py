"""Finds the Pythons of this machine. Shell."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OLDEST: Final = (3, 11)
_PROBE: Final = """
import platform, sys
print(sys.implementation.name, sys.prefix == sys.base_prefix, *sys.version_info[:2], platform.python_version())
"""
_NAME: Final = re.compile(r"python3(\.\d+)?")
"""No `python3.13t`: the packages that xyfleet uses are made for Pythons with the global lock."""
_PATIENCE: Final = 20.0
"""Seconds that a Python may take to say its version."""


@dataclass(frozen=True)
class Python:
    """An interpreter that is there."""

    version: str
    """As in 3.12.1."""
    minor: tuple[int, int]
    path: Path


def found(folders: Sequence[Path]) -> list[Python]:
    """Return the CPythons from 3.11 on in these folders, oldest first; of each exact version the first one."""
    pythons: dict[str, Python] = {}
    for path in _candidates(folders):
        python = _asked(path)
        if python is not None and python.minor >= OLDEST:
            pythons.setdefault(python.version, python)
    return sorted(pythons.values(), key=lambda each: (each.minor, _numbers(each.version)))


def usual_folders() -> list[Path]:
    """Return the folders of PATH, the system's, and those of pyenv's versions."""
    words = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return [*(Path(word) for word in words if word), *sorted(pyenv.glob("versions/*/bin"))]


def _candidates(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in dict.fromkeys(folders):
        if folder.is_dir():
            yield from sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _asked(path: Path) -> Python | None:
    """Return what a Python says of itself; None for what does not run (pyenv's shims), or belongs to a venv."""
    try:
        said = subprocess.run(
            [path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = said.stdout.split()
    if said.returncode != 0 or words[:2] != ["cpython", "True"]:
        return None
    return Python(words[4], (int(words[2]), int(words[3])), path)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
