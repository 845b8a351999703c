"""Makes wheels for tests of requirements.txt."""

from __future__ import annotations

import zipfile
from pathlib import Path


def wheel(folder: Path, version: str, word: str) -> None:
    """Make one of a package `greetings` that also brings a module with the name of one of ours."""
    info = f"greetings-{version}.dist-info"
    with zipfile.ZipFile(folder / f"greetings-{version}-py3-none-any.whl", "w") as file:
        file.writestr("greetings.py", f"WORD = {word!r}\n")
        file.writestr("msgspec.py", "raise ImportError('not ours')\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: greetings\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
