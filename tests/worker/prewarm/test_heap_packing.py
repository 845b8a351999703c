"""Packing memory: code moves and still does the same, holes are filled, pages of zeroes are given back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from xyfleet.worker.prewarm import heap_packing

pytestmark = pytest.mark.pythons


def make_adder(step: int) -> Callable[[int], int]:
    """Return a function that has code of its own and a closure."""

    def add(number: int, more: int = 1) -> int:
        """Add."""
        return sum(each + step for each in [number]) + more

    return add


def test_code_that_ran_is_seen_and_moved() -> None:
    """A function, and one that it makes later, get copies, do the same as before, and say the same about themselves."""
    first = make_adder(1)
    before, inner = make_adder.__code__, first.__code__

    seen = heap_packing.watch(lambda: make_adder(2)(3))
    moved = heap_packing.move([code for code in seen if code.co_filename == __file__])

    assert {before, inner} <= set(seen)
    assert moved >= 2  # make_adder and `first`
    assert make_adder.__code__ is not before
    assert make_adder.__code__ == before
    assert first.__code__ is make_adder(5).__code__
    assert first.__code__ is not inner
    assert (first(3), make_adder(5)(3)) == (5, 9)
    assert make_adder.__code__.co_firstlineno == before.co_firstlineno


def test_watching_ends_with_an_error() -> None:
    """What watched before watches again."""
    before = sys.getprofile()

    with pytest.raises(ZeroDivisionError):
        heap_packing.watch(lambda: 1 / 0)

    assert sys.getprofile() is before


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="about CPython's memory")
def test_holes_are_filled() -> None:
    """After it, small things of one size lie one behind the other."""
    program = """
import sys
from itertools import pairwise
from xyfleet.worker.prewarm import heap_packing
kept = [bytes(100) for _ in range(2000)][::3]
taken = heap_packing.fill_holes()
places = [id(each) for each in [bytes(100) for _ in range(100)]]
steps = [b - a for a, b in pairwise(places)]
print(taken > 0, taken < 40_000_000, max(steps.count(step) for step in steps) > 95)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)

    assert (done.stdout, done.stderr) == ("True True True\n", "")
