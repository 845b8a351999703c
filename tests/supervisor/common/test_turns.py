"""Turns by way out and over the whole fleet."""

from __future__ import annotations

import asyncio

from xyfleet.supervisor.common.turns import EgressTurns, Place


class Times:
    """Takes turns, and notes when they came."""

    def __init__(self, turns: EgressTurns) -> None:
        self.turns = turns
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.came: dict[str, float] = {}

    def take(self, way: str, name: str) -> asyncio.Task[None]:
        """Stand in a queue."""
        return asyncio.create_task(self._take(way, name))

    async def _take(self, way: str, name: str) -> None:
        await self.turns.take(way, name)
        self.came[name] = self.loop.time() - self.began


async def test_the_fleets_pace_holds_over_all_ways() -> None:
    """20 ways without a limit of their own share the fleet's burst and rate, in the order of their coming."""
    times = Times(EgressTurns(0, over_fleet=20))
    await asyncio.gather(*(times.take(f"way {number}", f"a{number}") for number in range(20)))

    came = list(times.came.values())
    assert list(times.came) == [f"a{number}" for number in range(20)]
    assert came[9] < 0.1
    assert 0.45 < came[19] < 0.9


async def test_one_full_way_keeps_no_other_from_its_turn() -> None:
    """The fleet's pace is shared among the ways: the queue of one does not stand before the first of another."""
    times = Times(EgressTurns(0, over_fleet=20))
    crowd = [times.take("full", f"a{number}") for number in range(60)]
    await asyncio.sleep(0)
    await asyncio.wait_for(times.take("other", "b"), 1)

    assert times.came["b"] < 0.5
    for task in crowd:
        task.cancel()
    await asyncio.wait(crowd)


async def test_who_waits_knows_his_place_of_now() -> None:
    """Number and seconds are of the slower of both paces; they shrink as others go, by leaving too."""
    now = [0.0]
    turns = EgressTurns(1, over_fleet=0.5, burst=1, clock=lambda: now[0])
    asking = [asyncio.create_task(turns.take("way", f"a{number}")) for number in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert turns.places() == {"a1": Place(0, 1.0), "a2": Place(1, 2.0), "a3": Place(2, 3.0)}
    now[0] = 0.5
    asking[2].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert turns.places() == {"a1": Place(0, 0.5), "a3": Place(1, 1.5)}
    turns.pace(0, 0.5)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


async def test_places_count_the_fleets_pace() -> None:
    """Where the fleet's pace is the slower, those of other ways who are due earlier stand before."""
    turns = EgressTurns(0, over_fleet=1, clock=lambda: 0.0)
    asking = [asyncio.create_task(turns.take(f"way {number}", f"a{number}")) for number in range(14)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    places = turns.places()
    assert places == {f"a{10 + rank}": Place(rank, rank + 1.0) for rank in range(4)}
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


async def test_another_pace_holds_for_those_who_wait() -> None:
    """A reload's pace is not only for who comes later."""
    times = Times(EgressTurns(0.01, burst=1))
    asking = [times.take("way", f"a{number}") for number in range(5)]
    await asyncio.sleep(0.05)
    assert list(times.came) == ["a0"]
    times.turns.pace(0, 0)
    await asyncio.wait_for(asyncio.gather(*asking), 2)


async def test_ways_that_nobody_goes_are_forgotten() -> None:
    """Finding 30: of 5,000 rotated proxies none is kept, but for those in use and those whose pace still counts."""
    now = [0.0]
    turns = EgressTurns(1, burst=1, clock=lambda: now[0])
    for number in range(5000):
        await turns.take(f"proxy {number}", "a")
    waiting = asyncio.create_task(turns.take("proxy 7", "b"))
    await asyncio.sleep(0)
    now[0] = 10.0
    turns.keep({"proxy 1"})
    assert len(turns) == 2
    waiting.cancel()
    await asyncio.wait([waiting])
    turns.keep(set())
    assert len(turns) == 0


async def test_a_spare_turn_is_one_that_nobody_waits_for() -> None:
    """Whoever stands in the queue of the way, or of the fleet, goes first, also who came later."""
    times = Times(EgressTurns(20, over_fleet=20, burst=1))
    await times.turns.take_spare("way")
    spare = asyncio.create_task(times.turns.take_spare("way"))
    spare.add_done_callback(lambda _: times.came.setdefault("spare", times.loop.time() - times.began))
    await asyncio.sleep(0)
    await asyncio.gather(*(times.take("way", f"a{number}") for number in range(8)), spare)

    assert list(times.came)[-1] == "spare"
    assert times.came["a7"] >= 0.35
