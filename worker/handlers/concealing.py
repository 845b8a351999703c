"""Errors without the words of buyers: what a handler's error repeats of a message is hidden. Pure."""

from __future__ import annotations

import itertools
import json
import re
from typing import Final

_HIDDEN: Final = "‹text›"
_WORDS: Final = re.compile(r"\w{4,}")
"""Words of a message that are shorter are not looked for: hiding them would garble every sentence."""
_HAN: Final = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]|\\u[3-9][0-9a-fA-F]{3}")
"""A Chinese character, or how JSON and ASCII spell it."""
MOST_LOOKED_FOR: Final = 10_000
"""Characters of a message that may be looked for: of a million it takes half a minute, and a GiB."""


def conceal(words: str, text: str) -> str:
    """Return `words`, the text of an error say, without the buyer's text (`MOST_LOOKED_FOR`) that they may repeat."""
    told = [text, *sorted(set(_WORDS.findall(text)))]
    forms = [form for each in told if each.strip() for form in (each, repr(each)[1:-1], json.dumps(each)[1:-1])]
    for form in dict.fromkeys(forms):
        words = re.sub(re.escape(form), _HIDDEN, words, flags=re.IGNORECASE)
    return _without_han(words, text)


def _without_han(words: str, text: str) -> str:
    """Hide all Chinese of two and more characters that is in the text: it has no blanks, so any part may be a word."""
    pairs = {text[at : at + 2] for at in range(len(text) - 1)}
    found = [(match.start(), match.end(), _spelled_out(match[0])) for match in _HAN.finditer(words)]
    kept: list[str] = []
    end = 0
    for one, other in itertools.pairwise(found):
        if one[1] != other[0] or one[2] + other[2] not in pairs:
            continue
        if one[0] >= end:
            kept += [words[end : one[0]], _HIDDEN]
        end = other[1]
    return "".join((*kept, words[end:]))


def _spelled_out(char: str) -> str:
    return chr(int(char[2:], 16)) if char.startswith("\\") else char
