"""Emoji that are joined of several are one sign."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.presentation.message_text import plain
from xyfleet.supervisor.presentation.terminal import cells, cut, pad, printable, wrap

FAMILY = "👨\u200d👩\u200d👧\u200d👦"


@pytest.mark.parametrize("sign", [FAMILY, "👩🏽\u200d💻", "👍🏽", "🇨🇳", "❤️"])
def test_a_joined_sign_stays_whole(sign: str) -> None:
    """It is shown as it is, takes two cells, and is never cut in its middle."""
    assert printable(sign) == plain(sign) == sign
    assert cells(sign) == 2
    assert cut(f"店{sign}x", 4) == "店…"
    assert cut(f"{sign}店铺", 4) == f"{sign}…"
    assert pad(sign, 4) == f"{sign}  "
    assert "".join(wrap(sign * 30, 20, "")) == sign * 30
    assert all(line.count("\u200d") == sign.count("\u200d") * 10 for line in wrap(sign * 30, 20, ""))


def test_other_invisible_characters_are_still_replaced() -> None:
    """Only the joiner passes: marks of direction could turn a line round."""
    assert printable(f"{FAMILY}\u202e\x1b") == f"{FAMILY}\ufffd\ufffd"
    assert plain(f"{FAMILY}\u202e\x1b") == FAMILY
