"""pip's own settings, read where pip is not there yet. Shell (reads files and the environment).

The same files, the same order and the same names as pip's: what is set for pip holds for the bootstrap too.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator
from pathlib import Path

SECTIONS = ("global", "install")
"""A later one goes before an earlier one, whichever file it stands in."""

PREFIX = "PIP_"

Settings = dict[str, str]
"""A name as on pip's command line, without dashes before it, and its value; lists are divided by white space."""


class SettingsError(Exception):
    """A file of settings that cannot be read. `str` is its path and why."""


def settings_files() -> Iterator[Path]:
    """Yield the paths that may hold settings; a later file goes before an earlier one."""
    given = os.environ.get("PIP_CONFIG_FILE", "")
    if given == os.devnull:
        return
    for folder in os.environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep):
        yield Path(folder or "/etc/xdg", "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    if given and Path(given).exists():
        yield Path(given)
        return
    home = Path(os.path.expanduser("~"))
    yield home / ".pip" / "pip.conf"
    yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"


def plain_name(name: str) -> str:
    """Return the one spelling of a setting's name: `Index_URL` is `index-url`."""
    return name.lower().replace("_", "-").removeprefix("--")


def read_file(path: Path) -> configparser.RawConfigParser:
    """Return a file's sections; raise SettingsError when it is there and not readable."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        # Not the error's own text: it quotes the line, which may hold a password.
        raise SettingsError(f"{path} ({type(error).__name__})") from None
    return parser


def read_settings() -> Settings:
    """Return what holds for `pip install` here: files, then PIP_… variables. What is empty is not set."""
    files = [read_file(path) for path in settings_files()]
    found: Settings = {}
    for section in SECTIONS:
        for file in files:
            if file.has_section(section):
                found |= {plain_name(name): value for name, value in file.items(section) if value}
    variables = {name: value for name, value in os.environ.items() if name.startswith(PREFIX) and value}
    return found | {plain_name(name.removeprefix(PREFIX)): value for name, value in variables.items()}
