"""Foreign values as a person or a log may see them."""

from __future__ import annotations

import functools

import pytest

from xyfleet.worker.text import MAX_REASON, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (200, "200"),
        (-1, "-1"),
        (True, "True"),
        (None, "None"),
        (1.5, "1.5"),
        ("a\x1b[2Jb", "a [2Jb"),
        ({"a": 1}, "(dict)"),
        ([1], "(list)"),
        (10**20, "(int)"),
        (-(10**20), "(int)"),
    ],
)
def test_value_is_shown(value: object, text: str) -> None:
    """What is simple as it is; what has an inside, or no end, by its type (B18)."""
    assert shown(value) == text


def test_long_text_is_cut() -> None:
    """A text is no longer than a reason may be; a number that Python itself refuses to write is none (B18)."""
    assert len(shown("x" * 10_000)) == MAX_REASON
    assert shown(10**5000) == "(int)"


@pytest.mark.parametrize("depth", [500, 985, 100_000])
def test_depth_raises_nothing(depth: int) -> None:
    """However deep it is nested (B18)."""
    assert shown(functools.reduce(lambda inner, _: [inner], range(depth), list[object]())) == "(list)"
