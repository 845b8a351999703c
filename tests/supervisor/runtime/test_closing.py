"""An end that always ends: no step keeps another from its turn, and the last one is always done (finding 10)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import pytest

from xyfleet.supervisor.runtime.closing import Closing, Step


class Steps:
    """Steps of every kind, which write down that they were begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.free = asyncio.Event()

    def step(self, name: str, bound: float = 5.0) -> Step:
        """Return the step of this name."""
        return Step(name, getattr(self, name), bound)

    async def good(self) -> None:
        """End."""
        self.begun.append("good")

    async def raises(self) -> None:
        """Fail."""
        self.begun.append("raises")
        raise KeyError("a bug")

    async def hangs(self) -> None:
        """Never end."""
        self.begun.append("hangs")
        await asyncio.sleep(3600)

    async def stubborn(self) -> None:
        """Never end, not even when cancelled."""
        self.begun.append("stubborn")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await self.free.wait()

    async def slow_save(self) -> None:
        """Take a while; nobody may cut it short."""
        await asyncio.sleep(0.3)
        self.begun.append("saved")


async def test_no_step_keeps_another_from_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    """Finding 10: one raises, one hangs, one can't even be cancelled: all are begun in order, the state is saved."""
    caplog.set_level(logging.INFO)
    steps = Steps()
    kinds = ["raises", "hangs", "stubborn", "good"]
    await Closing().run([steps.step(kind, 0.2) for kind in kinds], steps.step("slow_save", 5.0))
    steps.free.set()
    assert steps.begun == [*kinds, "saved"]
    faults = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert faults == [
        "end: fault in raises",
        "end: hangs did not end within 0.2 s, left alone",
        "end: stubborn did not end within 0.2 s, left alone",
    ]


async def test_all_steps_together_have_a_limit() -> None:
    """Ten that hang for their second end within the limit, for each has a little and no more; then it is saved."""
    steps = Steps()
    began = time.monotonic()
    closing = Closing(limit=1.0, last=0.5, least=0.02)
    await closing.run([steps.step("hangs", 1.0)] * 10, steps.step("slow_save"))
    assert steps.begun == ["hangs"] * 10 + ["saved"]
    assert 0.75 < time.monotonic() - began < 3.0


async def test_a_second_request_ends_all_at_once() -> None:
    """The step under way and those behind it have a moment each; the state is saved all the same."""
    steps, closing = Steps(), Closing(least=0.05)
    began = time.monotonic()
    asyncio.get_running_loop().call_later(0.1, closing.hurry)
    await closing.run([steps.step("hangs"), steps.step("hangs"), steps.step("good")], steps.step("slow_save"))
    assert steps.begun == ["hangs", "hangs", "good", "saved"]
    assert time.monotonic() - began < 3.0
