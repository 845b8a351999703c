"""Text keeps to its cells, whatever its script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.presentation.terminal import BOLD, RED, cells, cut, draw, pad, printable, wrap

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Mn", "Me", "Zl", "Zp", "Cs"]), max_size=60)


@pytest.mark.parametrize(("text", "expected"), [("shop", 4), ("旗舰店", 6), ("a店", 3), ("", 0)])
def test_chinese_takes_two_cells(text: str, expected: int) -> None:
    """A Chinese character is two cells wide."""
    assert cells(text) == expected


@given(TEXT, st.integers(1, 40))
def test_cut_text_fits(text: str, width: int) -> None:
    """What is cut fits, and what fits is not cut."""
    short = cut(text, width)

    assert cells(short) <= width
    assert short == text if cells(text) <= width else short.endswith("…")


@given(TEXT, st.integers(24, 60))
def test_wrapped_text_fits_and_loses_nothing_but_spaces(text: str, width: int) -> None:
    """Every line fits, and together they say the same."""
    lines = wrap(text, width, "  ")

    assert all(cells(line) <= width for line in lines)
    assert all(line.startswith("  ") for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_wrap_breaks_at_spaces() -> None:
    """English is broken between words, Chinese anywhere."""
    assert wrap("one two three four five six", 24, "") == ["one two three four five", "six"]
    assert wrap("旗舰店旗舰店旗舰店旗舰店", 20, "") == ["旗舰店旗舰店旗舰店旗", "舰店"]


def test_pad_aligns_by_cells() -> None:
    """Columns of Chinese and ASCII end at the same cell."""
    assert pad("旗舰", 6) == "旗舰  "
    assert pad("12", 6, right=True) == "    12"


@given(TEXT, TEXT, st.integers(1, 40))
def test_drawn_line_fits(first: str, second: str, width: int) -> None:
    """A line of several pieces fits as a whole."""
    assert cells(draw([(first, ""), (second, RED)], colour=False, width=width)) <= width


def test_colours_end_where_their_piece_ends() -> None:
    """No colour leaks, and none is there when none is wanted."""
    pieces = [("ab", BOLD), ("cd", ""), ("efgh", RED)]

    assert draw(pieces, colour=True, width=None) == "\x1b[1mab\x1b[0mcd\x1b[31mefgh\x1b[0m"
    assert draw(pieces, colour=True, width=6) == "\x1b[1mab\x1b[0mcd\x1b[31me…\x1b[0m"
    assert draw(pieces, colour=False, width=None) == "abcdefgh"


def test_control_characters_are_replaced() -> None:
    """A server's text can't steer the terminal."""
    assert printable("bad \x1b[2J\x07\u202e 店") == "bad \ufffd[2J\ufffd\ufffd 店"
    assert printable("plain 店") == "plain 店"
