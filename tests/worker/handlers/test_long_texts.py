"""What a handler raises over a buyer's very long text is told without it, and at once."""

from __future__ import annotations

import time

import pytest

from xyfleet.worker.handlers.concealing import MOST_LOOKED_FOR
from xyfleet.worker.handlers.failures import told


def raised(text: str) -> ValueError:
    """Return an error that repeats a text, as it was raised."""
    try:
        raise ValueError(f"not an amount: {text}")
    except ValueError as error:
        return error


@pytest.mark.parametrize("text", ["好" * 1_000_000, "\U0001f600 " * 500_000, " ".join(map(str, range(200_000)))])
def test_a_very_long_text_is_not_looked_for(text: str) -> None:
    """To look for a million characters took half a minute and a GiB: its worker was replaced as stuck."""
    began = time.monotonic()
    reason, trace = told(raised(text), text)

    assert time.monotonic() - began < 5
    assert reason == "ValueError"
    assert "in raised" in trace
    assert text[:10] not in trace


def test_a_long_text_is_hidden_wherever_it_stands() -> None:
    """Up to the bound the error keeps its words."""
    text = "秘密" * (MOST_LOOKED_FOR // 2)
    reason, trace = told(raised(text), text)

    assert reason == "ValueError: not an amount: ‹text›"
    assert "秘密" not in trace
