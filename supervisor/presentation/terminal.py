"""Text in terminal cells: Chinese characters take two, colours none. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wcwidth import wcwidth

RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"
GREY: Final = "90"
BOLD: Final = "1"

Piece = tuple[str, str]
"""A text and its colour (an SGR number), "" = none."""


def printable(text: str) -> str:
    """Return `text` without characters that could steer a terminal; what a server sent may hold any."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def cells(text: str) -> int:
    """Return how many cells `text` takes."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


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
        end = _fitting(text, room)
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
    """Return how many characters of `text` fit in `width` cells."""
    used = 0
    for i, char in enumerate(text):
        used += _cells_of(char)
        if used > width:
            return i
    return len(text)


def _cells_of(char: str) -> int:
    return max(0, wcwidth(char))
