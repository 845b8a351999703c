"""Tests of `xyfleet.supervisor.common.single_flight`."""

from __future__ import annotations

import asyncio
import gc

import pytest

from xyfleet.supervisor.common.single_flight import SingleFlight

pytestmark = pytest.mark.pythons


class Job:
    """Counts its runs, and ends when told."""

    def __init__(self) -> None:
        self.runs = 0
        self.most = 0
        self.now = 0
        self.go = asyncio.Event()
        self.cleanup = 0.0

    async def run(self) -> int:
        """Return the number of this run."""
        self.runs += 1
        self.now += 1
        self.most = max(self.most, self.now)
        number = self.runs
        try:
            await self.go.wait()
        finally:
            await asyncio.sleep(self.cleanup)
            self.now -= 1
        return number


async def ask(flights: SingleFlight[int], job: Job, name: str = "a") -> asyncio.Task[int]:
    """Ask, and let the job begin."""
    task = asyncio.create_task(flights.share(name, job.run))
    await asyncio.sleep(0.01)
    return task


async def test_who_asks_meanwhile_shares_the_result() -> None:
    """Three askers have one run and one result; the next one has a new run."""
    flights, job = SingleFlight[int](), Job()
    askers = [await ask(flights, job) for _ in range(3)]
    job.go.set()

    assert [await asker for asker in askers] == [1, 1, 1]
    assert await flights.share("a", job.run) == 2


async def test_names_do_not_share() -> None:
    """Jobs of two names run side by side."""
    flights, job = SingleFlight[int](), Job()
    askers = [await ask(flights, job, name) for name in "ab"]
    job.go.set()

    assert [await asker for asker in askers] == [1, 2]
    assert job.most == 2


async def test_an_error_reaches_everybody() -> None:
    """A job's error is raised for all who share it, and the next one is tried."""
    flights = SingleFlight[int]()

    async def fail() -> int:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    found = await asyncio.gather(*(flights.share("a", fail) for _ in range(2)), return_exceptions=True)

    assert [ValueError, ValueError] == [type(each) for each in found]
    with pytest.raises(ValueError, match="no"):
        await flights.share("a", fail)


async def test_one_who_leaves_does_not_end_it() -> None:
    """The job goes on as long as somebody waits."""
    flights, job = SingleFlight[int](), Job()
    leaver, stayer = await ask(flights, job), await ask(flights, job)
    leaver.cancel()
    await asyncio.wait([leaver])
    job.go.set()

    assert leaver.cancelled()
    assert await stayer == 1


async def test_the_last_one_to_leave_ends_it() -> None:
    """Without anybody waiting the job is cancelled, and the leaver returns when it has ended."""
    flights, job = SingleFlight[int](), Job()
    job.cleanup = 0.05
    leaver = await ask(flights, job)
    leaver.cancel()
    await asyncio.wait([leaver])

    assert job.now == 0


async def test_never_two_at_once() -> None:
    """Who asks while a cancelled job is still ending gets a new one, which waits for that end."""
    flights, job = SingleFlight[int](), Job()
    job.cleanup = 0.05
    leaver = await ask(flights, job)
    leaver.cancel()
    await asyncio.sleep(0.01)
    job.go.set()

    assert await flights.share("a", job.run) == 2
    assert job.most == 1


async def test_an_error_after_everybody_left_is_nobodys() -> None:
    """A job that fails while it is being ended leaves no unheard error in the loop."""
    flights = SingleFlight[int]()
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))

    async def stubborn() -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("in its cleanup") from None
        return 0

    leaver = asyncio.create_task(flights.share("a", stubborn))
    await asyncio.sleep(0.01)
    leaver.cancel()
    await asyncio.wait([leaver])
    await asyncio.sleep(0)
    del leaver
    gc.collect()

    assert unheard == []
