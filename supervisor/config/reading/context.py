"""What the parts of the loader share while they read a file. Shell (asks for the working directory)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xyfleet.supervisor.config.reading.problems import BAD, At, Bad, Item, Problems, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One reading of a settings file."""

    env: Mapping[str, str]
    total_memory: int
    """Bytes this machine (or its cgroup) has."""
    running: bool = False
    """Whether the fleet of the file runs: what only a start refuses is a warning then."""
    fitted: frozenset[str] = frozenset()
    """Patterns of `include` that files fitted at the reading before."""
    included: set[str] = field(default_factory=set)
    """Those that files fit now."""
    problems: Problems = field(default_factory=Problems)
    exposed: list[At] = field(default_factory=list)
    """Files with secrets in them that others can read, and settings that name such a secret's file."""

    def path(self, item: Item) -> Path:
        """Return a path of the file as an absolute one: `~` is the home, relative ones begin at the file's folder."""
        text = str(item.value)
        home = self.env.get("HOME")
        if home and (text == "~" or text.startswith("~/")):
            return Path(home) / text[2:]
        return Path(item.at.file).absolute().parent / text


def value(section: Section, key: str) -> Any:
    """Return the value of a key; None when it is absent or bad."""
    item = section.get(key)
    return None if item is None or item.value is BAD else item.value


def good(section: Section, key: str) -> Item | None:
    """Return the item of a key; None when it is absent or bad."""
    item = section.get(key)
    return None if item is None or item.value is BAD else item


def subsection(section: Section, key: str) -> Section:
    """Return the section at a key; empty when it is absent or bad."""
    item = section.get(key)
    return {} if item is None or isinstance(item.value, Bad) else item.value
