"""Text in terminal cells: Chinese characters take two, colours none. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from wcwidth import iter_graphemes, wcswidth

RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"
GREY: Final = "90"
BOLD: Final = "1"

Piece = tuple[str, str]
"""A text and its colour (an SGR number), "" = none."""


_JOINER: Final = "\N{ZERO WIDTH JOINER}"
"""Makes one emoji of several (a family, a profession); it steers nothing."""
_SIGNS: Final = r"\u2190-\u2bff\U0001f000-\U0001faff"
_JOINED: Final = re.compile(rf"(?<=[{_SIGNS}\ufe0f]){_JOINER}(?=[{_SIGNS}])")


def printable(text: str, instead: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """Return `text` without characters that could steer a terminal; what a server sent may hold any."""
    if text.isprintable():
        return text
    pieces = ("".join(char if char.isprintable() else instead for char in piece) for piece in _JOINED.split(text))
    return _JOINER.join(pieces)


def cells(text: str) -> int:
    """Return how many cells `text` takes."""
    return len(text) if text.isascii() else sum(map(_cells_of, iter_graphemes(text)))


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` filled up with spaces to `width` cells, `right`: in front of it."""
    space = " " * (width - cells(text))
    return space + text if right else text + space


def cut(text: str, width: int) -> str:
    """Return `text` in at most `width` cells, with `…` where something is missing."""
    return text if cells(text) <= width else text[: _fitting(text, width - 1)] + "…"


def wrap(text: str, width: int, indent: str) -> list[str]:
    """Return `text` as lines of at most `width` cells that begin with `indent`, broken at spaces if any."""
    lines = []
    room = max(20, width - len(indent))
    while cells(text) > room:
        end = _fitting(text, room) or len(text)
        space = text.rfind(" ", 1, end + 1)
        end = space if space > 0 else end
        lines.append(indent + text[:end])
        text = text[end:].lstrip(" ")
    return [*lines, indent + text]


def draw(pieces: Sequence[Piece], *, colour: bool, width: int | None) -> str:
    """Return one line made of coloured pieces, cut to `width` cells (None = uncut)."""
    if width is not None:
        pieces = _cut_pieces(pieces, width)
    if not colour:
        return "".join(text for text, _ in pieces)
    return "".join(f"\x1b[{paint}m{text}\x1b[0m" if paint else text for text, paint in pieces)


def _cut_pieces(pieces: Sequence[Piece], width: int) -> Sequence[Piece]:
    if sum(cells(text) for text, _ in pieces) <= width:
        return pieces
    kept: list[Piece] = []
    room = width - 1
    for text, paint in pieces:
        part = text[: _fitting(text, room)]
        room -= cells(part)
        if part != text:
            return [*kept, (part + "…", paint)]
        kept.append((part, paint))
    raise AssertionError("unreachable")


def _fitting(text: str, width: int) -> int:
    """Return how many characters of `text` fit in `width` cells; what is joined to one sign is not cut."""
    used = fitting = 0
    for sign in iter_graphemes(text):
        used += _cells_of(sign)
        if used > width:
            break
        fitting += len(sign)
    return fitting


def _cells_of(sign: str) -> int:
    return max(0, wcswidth(sign))
