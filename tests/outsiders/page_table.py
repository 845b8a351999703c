"""The table of docs/protocol.md: what the page sends, and what xyfleet sends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from support.places import REPOSITORY

SAME = "="
NOT_SENT = "–"


class Row(NamedTuple):
    """One line of the table."""

    page: str
    ours: str
    why: str

    @property
    def wanted(self) -> str:
        """What xyfleet is to send."""
        return self.page if self.ours == SAME else self.ours


def table() -> dict[str, dict[str, Row]]:
    """Return the page's table by place and name."""
    text = (REPOSITORY / "docs" / "protocol.md").read_text(encoding="utf-8")
    section = text.partition("## What the page sends, and what xyfleet sends")[2].partition("\n## ")[0]
    found: dict[str, dict[str, Row]] = {}
    line = re.compile(r"^\| ([^|]+) \| `([^|`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]*)\|$", re.MULTILINE)
    for place, name, page, ours, why in line.findall(section):
        found.setdefault(place, {})[name] = Row(page.strip(" `"), ours.strip(" `"), why.strip())
    return found


TABLE = table()


def differences(place: str, sent: Mapping[str, str]) -> list[str]:
    """Return where what was sent is not what the table says."""
    rows = TABLE[place]
    wanted = {name: row.wanted for name, row in rows.items() if row.wanted != NOT_SENT}
    wrong = [name for name in wanted.keys() | sent.keys() if not _fits(wanted.get(name), sent.get(name))]
    return [f"{name}: {sent.get(name)!r} instead of {wanted.get(name)!r}" for name in sorted(wrong)]


def _fits(wanted: str | None, sent: str | None) -> bool:
    if wanted is None or sent is None:
        return False
    pattern = "".join(".*" if part.startswith("<") else re.escape(part) for part in re.split(r"(<[^>]+>)", wanted))
    return re.fullmatch(pattern, sent) is not None
