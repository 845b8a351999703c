"""The one wait of the cycle: rung, timed out, stopped."""

from __future__ import annotations

import asyncio
import time

import pytest

from xyfleet.worker.connection.wait import InterruptibleWait, Stopped

pytestmark = pytest.mark.pythons


@pytest.mark.timing
async def test_timeout_ends_a_wait() -> None:
    """Without a ring the wait ends at its time, quietly."""
    began = time.monotonic()
    await InterruptibleWait().wait(0.05)

    assert 0.04 < time.monotonic() - began < 0.5


async def test_ring_ends_a_wait() -> None:
    """A ring ends the wait at once, and only that one."""
    wakeup = InterruptibleWait()
    task = asyncio.create_task(wakeup.wait(None))
    await asyncio.sleep(0.01)
    wakeup.ring()
    await asyncio.wait_for(task, 0.5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wakeup.wait(None), 0.05)


async def test_early_ring_is_not_lost() -> None:
    """A ring between two waits ends the next one."""
    wakeup = InterruptibleWait()
    wakeup.ring()
    await asyncio.wait_for(wakeup.wait(None), 0.5)


async def test_stop_ends_this_and_every_later_wait() -> None:
    """After a stop no wait begins any more."""
    wakeup = InterruptibleWait()
    wakeup.check()
    task = asyncio.create_task(wakeup.wait(None))
    await asyncio.sleep(0.01)
    wakeup.stop()
    with pytest.raises(Stopped):
        await asyncio.wait_for(task, 0.5)
    with pytest.raises(Stopped):
        await wakeup.wait(0.1)
    with pytest.raises(Stopped):
        wakeup.check()


async def test_cancelling_is_passed_on() -> None:
    """A cancelled wait does not swallow it."""
    task = asyncio.create_task(InterruptibleWait().wait(10))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Gone(Exception):
    """What a wait of another kind ends with."""


async def test_until_something_is_true() -> None:
    """Each ring has the condition looked at; what is true already is not waited for."""
    wakeup = InterruptibleWait()
    seen: list[int] = []
    task = asyncio.create_task(wakeup.until(lambda: len(seen) >= 2))
    for number in range(2):
        await asyncio.sleep(0.01)
        assert not task.done()
        seen.append(number)
        wakeup.ring()
    await asyncio.wait_for(task, 0.5)
    await asyncio.wait_for(wakeup.until(lambda: True), 0.5)


@pytest.mark.timing
async def test_until_so_long_at_most() -> None:
    """Rings that make nothing true don't make it longer."""
    wakeup = InterruptibleWait()
    began = time.monotonic()
    task = asyncio.create_task(wakeup.until(lambda: False, 0.1))
    while not task.done():
        wakeup.ring()
        await asyncio.sleep(0.005)

    assert 0.09 < time.monotonic() - began < 0.6


async def test_an_end_of_another_kind() -> None:
    """Whoever waits on a connection hears that it is gone, in a wait and before one."""
    wakeup = InterruptibleWait(Gone)
    task = asyncio.create_task(wakeup.until(lambda: False))
    await asyncio.sleep(0.01)
    wakeup.stop()
    with pytest.raises(Gone):
        await asyncio.wait_for(task, 0.5)
    with pytest.raises(Gone):
        await wakeup.until(lambda: True, 1.0)
