"""Writes settings files for tests, and tells what the loader makes of them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from xyfleet.supervisor.config.load import load, load_with_warnings
from xyfleet.supervisor.config.reading.problems import BadFile, Problem
from xyfleet.supervisor.settings import Account, Settings

GIB = 1024**3
COOKIE = "unb=2215000000001; cookie2=abc"
ONE = f'accounts: [{{name: a, cookie: "{COOKIE}"}}]\n'
"""The shortest good file, to stand behind other sections."""


class SettingsFile:
    """An accounts.yml in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "accounts.yml"
        self.env: dict[str, str] = {"HOME": str(folder / "home"), "PATH": "/usr/bin:/bin"}

    def write(self, text: str | bytes, name: str = "accounts.yml") -> Path:
        """Write a file of the folder, for its owner's eyes only; an indented text is set to the left."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        path.chmod(0o600)
        return path

    def load(self, text: str | bytes | None = None, env: Mapping[str, str] | None = None) -> Settings:
        """Write `text`, if there is one, and load the file on a machine of 8 GiB."""
        if text is not None:
            self.write(text, self.path.name)
        return load(self.path, {**self.env, **(env or {})}, memory=8 * GIB)

    def account(self, text: str | bytes, env: Mapping[str, str] | None = None) -> Account:
        """Load a file and return its only account."""
        (account,) = self.load(text, env).accounts.values()
        return account

    def problems(self, text: str | bytes | None = None, env: Mapping[str, str] | None = None) -> list[Problem]:
        """Return what is wrong with a file; empty when it is good."""
        try:
            self.load(text, env)
        except BadFile as error:
            return error.problems
        return []

    def places(self, text: str | bytes, env: Mapping[str, str] | None = None) -> list[tuple[int | None, str | None]]:
        """Return line and key of each problem."""
        return [(one.line, one.key) for one in self.problems(text, env)]

    def said(self, text: str | bytes | None = None, env: Mapping[str, str] | None = None) -> str:
        """Return the problems as people see them, without the folder."""
        return "\n".join(map(str, self.problems(text, env))).replace(f"{self.folder}/", "")

    def warned(self, text: str | bytes | None = None) -> str:
        """Return the warnings about a good file, without the folder."""
        if text is not None:
            self.write(text, self.path.name)
        _settings, warnings = load_with_warnings(self.path, self.env, memory=8 * GIB)
        return "\n".join(map(str, warnings)).replace(f"{self.folder}/", "")
