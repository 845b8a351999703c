"""The one wait of the cycle: rung, timed out, stopped."""

from __future__ import annotations

import asyncio
import time

import pytest

from xyfleet.worker.connection.wait import InterruptibleSleep, InterruptibleWait, Stopped

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


@pytest.mark.timing
async def test_nap_ends_at_its_time() -> None:
    """A nap lasts as long as it should."""
    began = time.monotonic()
    await InterruptibleSleep().take(0.05)

    assert 0.04 < time.monotonic() - began < 0.5


async def test_nap_can_be_ended() -> None:
    """Waking ends the nap that is on, however often, and no other."""
    nap = InterruptibleSleep()
    nap.wake()
    task = asyncio.create_task(nap.take(10))
    await asyncio.sleep(0.01)
    nap.wake()
    nap.wake()
    await asyncio.wait_for(task, 0.5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(nap.take(10), 0.05)
