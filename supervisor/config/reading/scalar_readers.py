"""Readers of scalars: text, numbers, sizes, truth values and words out of a few. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import inspect

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.reading import suggestions
from xyfleet.supervisor.config.reading.problems import BAD, At, Bad, Problems
from xyfleet.supervisor.config.reading.reader import scalar_text
from xyfleet.supervisor.config.reading.scalars import read_bool, read_number, read_size
from xyfleet.supervisor.config.reading.yaml_tree import Node, Scalar

_CURLY: Final = ("“", "”", "‘", "’", "「", "＂")
_TORN_COOKIE: Final = re.compile(r"""[\w-]+=[^;]*;|;\s*[\w-]+=|^[^"']*[\w%=.+/-]{8,}["']$""", re.ASCII)
"""Two pairs of a cookie, or the end of a quoted value without its beginning: what an edit gone wrong leaves."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class TextReader:
    """Reads a scalar's raw text."""

    def __init__(self, extra: Mapping[str, Any], pattern: str | None) -> None:
        self._kind: str = extra["kind"]
        self._hint: str = extra.get("hint", "")
        self._pattern = re.compile(pattern) if pattern else None

    def read(self, node: Node, at: At, problems: Problems) -> str | Bad:
        """Return the text, quotes undone and a final line break cut."""
        text = scalar_text(node, at, problems, _("text"))
        if isinstance(text, Bad):
            return BAD
        text = text.rstrip("\n")
        if _CONTROL.search(text):
            return problems.add(at, _("holds an invisible control character"), _("type this line anew"))
        if not text and self._kind != "label":
            return problems.add(at, _("is empty"), _("write a value, or remove the line"))
        if self._kind == "label" and _TORN_COOKIE.search(text):  # a label is shown everywhere
            return problems.add(at, _("looks like a piece of a cookie"), _("look for a missing or stray quote"))
        if self._kind in ("secret", "cookie") and isinstance(node, Scalar) and node.comment:
            problems.warn(
                at, _("ends before “ #”: the rest of the line is a comment"), _("put it in quotes if it is not")
            )
        if self._kind in ("text", "secret") and isinstance(node, Scalar) and node.plain and text.startswith(_CURLY):
            return problems.add(at, _("begins with a full-width quote"), _("write plain quotes: \" or '"))
        if self._pattern and not self._pattern.search(text):
            return problems.add(at, _("is not allowed as it is written"), _(self._hint))
        return text


class NumberReader:
    """Reads a whole or decimal number within bounds."""

    def __init__(self, kind: inspect.IntType | inspect.FloatType) -> None:
        self._whole = isinstance(kind, inspect.IntType)
        self._gt, self._ge, self._le = kind.gt, kind.ge, kind.le

    def read(self, node: Node, at: At, problems: Problems) -> float | Bad:
        """Return an `int` for whole-number settings, a `float` for others."""
        expected = _("a whole number") if self._whole else _("a number")
        text = scalar_text(node, at, problems, expected)
        if isinstance(text, Bad):
            return BAD
        value, remedy = read_number(text, whole=self._whole)
        if value is None:
            return problems.add(at, _("is not %(expected)s") % {"expected": expected}, remedy)
        if self._gt is not None and not value > self._gt:
            return problems.add(at, _("is too small"), _("use a number above %(bound).12g") % {"bound": self._gt})
        if self._ge is not None and not value >= self._ge:
            return problems.add(at, _("is too small"), _("use at least %(bound).12g") % {"bound": self._ge})
        if self._le is not None and not value <= self._le:
            return problems.add(at, _("is too large"), _("use at most %(bound).12g") % {"bound": self._le})
        return value


class SizeReader:
    """Reads a number of bytes."""

    def __init__(self, least: int) -> None:
        self._least = least

    def read(self, node: Node, at: At, problems: Problems) -> int | Bad:
        """Return the bytes."""
        text = scalar_text(node, at, problems, _("a size"))
        if isinstance(text, Bad):
            return BAD
        value = read_size(text)
        if value is None:
            return problems.add(at, _("is not a size"), _("write bytes, or KB, MB, GB, KiB, MiB, GiB: 200MB"))
        if value < self._least:
            words = {"bound": self._least}
            return problems.add(at, _("is too small"), _("use at least %(bound)s bytes, or a unit: 200MB") % words)
        return value


class BoolReader:
    """Reads true or false."""

    def read(self, node: Node, at: At, problems: Problems) -> bool | Bad:
        """Return the truth value; yes, no, on, off count as in YAML."""
        text = scalar_text(node, at, problems, _("true or false"))
        if isinstance(text, Bad):
            return BAD
        value = read_bool(text)
        if value is None:
            return problems.add(at, _("is neither true nor false"), _("write true or false"))
        return value


class ChoiceReader:
    """Reads one of a few words."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words

    def read(self, node: Node, at: At, problems: Problems) -> str | Bad:
        """Return the word."""
        text = scalar_text(node, at, problems, _("text"))
        if isinstance(text, Bad) or text in self._words:
            return text
        near = suggestions.nearest(text, self._words)
        if near:
            return problems.add(
                at, _("is not one of the words known here"), _("did you mean %(word)s?") % {"word": near}
            )
        words = {"words": ", ".join(self._words)}
        return problems.add(at, _("is not one of the words known here"), _("use one of: %(words)s") % words)
