"""Many unknown names are refused as fast as one."""

from __future__ import annotations

import time

import pytest

from xyfleet.supervisor.common.errors import UnknownName
from xyfleet.supervisor.control.selection import select

ACCOUNTS = {f"shop-{number:04}": ["tag"] for number in range(1500)}


@pytest.mark.timing
def test_hundreds_of_mistyped_names_do_not_hold_the_fleet() -> None:
    """Finding 21: only the first three strangers are compared with all names; all of them are named."""
    strangers = [f"shop_{number:04}" for number in range(1000)]
    started = time.perf_counter()
    with pytest.raises(UnknownName) as caught:
        select(strangers, ACCOUNTS)

    assert time.perf_counter() - started < 0.5
    assert caught.value.facts["names"] == strangers
    assert len(caught.value.facts["similar"]) == 3
