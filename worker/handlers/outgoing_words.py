"""Words that no automatic message may hold, such as ways to leave the platform. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from xyfleet.worker.handlers.base import CheckedAnswer


def blocked(answer: CheckedAnswer, words: Sequence[str]) -> str | None:
    """Return the first of these words that a text of the answer holds; None = there is none."""
    return word_in((reply.text for reply in answer.replies if reply.text), words)


def word_in(texts: Iterable[str], words: Sequence[str]) -> str | None:
    """
    Return the first of these words that one of the texts holds.

    Case, width and blanks between Chinese characters don't count. A word of Latin letters counts where it stands alone:
    `VX` is not in `AVX2`, nor in a key like `7K-VX-11`.
    """
    folded = [_folded(text) for text in texts]
    return next((word for word in words if any(_holds(text, _folded(word)) for text in folded)), None)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _holds(text: str, word: str) -> bool:
    if word.isascii():
        return re.search(rf"(?<![0-9a-z_-]){re.escape(word)}(?![0-9a-z_-])", text) is not None
    return "".join(word.split()) in "".join(text.split())
