"""The worker's own memory figure."""

from __future__ import annotations

import psutil
import pytest

from xyfleet.worker.telemetry.memory import Memory, pss

pytestmark = pytest.mark.pythons


def test_pss_of_this_process() -> None:
    """The figure is of the size of what the system says, and is read rarely."""
    assert Memory(first_after=5.0)() is None
    memory = Memory(first_after=0.0)
    first = memory()
    ballast = bytearray(8 << 20)
    actual = psutil.Process().memory_full_info().pss

    assert first is not None
    assert abs(first - actual) < 20 << 20
    assert memory() == first
    assert ballast is not None


@pytest.mark.parametrize(
    ("rollup", "expected"),
    [
        (b"55e [rollup]\nRss: 10 kB\nPss:                6543 kB\nPss_Dirty: 1 kB\n", 6543 * 1024),
        (b"", None),
        (b"Rss: 10 kB\n", None),
    ],
)
def test_reading(rollup: bytes, expected: int | None) -> None:
    """The line `Pss:` counts, and none means unknown."""
    assert pss(rollup) == expected
