"""A text that never shows itself by accident: cookies, passwords, tokens. Pure."""

from __future__ import annotations

from typing import Final

MASK: Final = "***"


class Secret:
    """
    A secret text. Printing, formatting, logging or a traceback shows `***`; only `reveal()` gives the text.

    Two secrets are equal when their texts are.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, to be used and not kept."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
