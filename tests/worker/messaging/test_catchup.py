"""Catching up with the built-in gateway: what was missed comes once, and a zombie is found."""

from __future__ import annotations

import asyncio
import collections
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.gateway import Gateway
from support.imclient import UNB
from support.maildesk import Desk, now, rounds, tempo
from xyfleet.worker.protocol import im_calls
from xyfleet.worker.reasons import Reason


@pytest.fixture(scope="module")
def _gateway() -> Iterator[Gateway]:
    with Gateway("--list-wait", "0") as running:
        yield running


@pytest.fixture
def gateway(_gateway: Gateway) -> Gateway:
    """Give a gateway, as new, that answers list calls from the first moment on."""
    _gateway.reset()
    return _gateway


def miss(gateway: Gateway, *texts: str, **more: Any) -> list[str]:
    """Have messages come that are not pushed; return their ids."""
    items = [{"text": text, **more} for text in texts]
    ids: list[str] = gateway.push(UNB, items=items, deliver=False)["ids"]
    return ids


async def texts(desk: Desk) -> list[str]:
    """Return the texts in the inbox, in the order of their coming."""
    return [row.message.text for row in await desk.rows()]


async def test_the_first_round_sets_the_baseline(gateway: Gateway, tmp_path: Path) -> None:
    """What was there before the account was xyfleet's stays out, and no file is made for it."""
    miss(gateway, "old", "older")
    await asyncio.sleep(0.01)
    async with Desk(gateway, tmp_path, since=now()) as desk:
        await desk.connect()
        await rounds(desk)

        assert (desk.catch_up.recovered, desk.found, desk.inbox.exists()) == (0, [], False)
        assert len(desk.calls(im_calls.LIST_TALKS)) == 1
        assert desk.calls(im_calls.LIST_MESSAGES) == []


async def test_since_its_making(gateway: Gateway, tmp_path: Path) -> None:
    """Without `since` an account begins when its worker does."""
    miss(gateway, "old")
    await asyncio.sleep(0.01)
    async with Desk(gateway, tmp_path) as desk:
        miss(gateway, "new")
        await desk.connect()
        await rounds(desk)

        assert await texts(desk) == ["new"]


async def test_missed_messages_are_recovered_once(gateway: Gateway, tmp_path: Path) -> None:
    """What came while away is in the inbox after the connect, marked, in its order, and is not found again."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        await rounds(desk)
        await desk.disconnect()
        ids = miss(gateway, "one", "two") + miss(gateway, "three", type="image")
        await desk.connect()
        await rounds(desk, 2)
        await desk.disconnect()
        await desk.connect()
        await rounds(desk, 3)
        found = [row.message for row in await desk.rows()]

        assert [(one.id, one.recovered, one.own) for one in found] == [(id_, True, False) for id_ in ids]
        assert [(one.text, one.item, one.kind) for one in found[:2]] == [
            ("one", "900000000001", "text"),
            ("two", "900000000001", "text"),
        ]
        assert [row.message for row in desk.found] == found
        assert (desk.catch_up.recovered, desk.zombies) == (3, [])


async def test_many_pages_and_conversations(gateway: Gateway, tmp_path: Path) -> None:
    """120 messages of 60 conversations, one of them with 61, come once each and in order, pushed ones among them."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        await rounds(desk)
        pushed = gateway.push(UNB, "before")["ids"]
        await desk.disconnect()
        items = [{"text": f"m{number}", "conversation": f"c{number % 60}"} for number in range(60)]
        items += [{"text": f"n{number}", "conversation": "c0"} for number in range(60)]
        ids = gateway.push(UNB, items=items, deliver=False)["ids"]
        await desk.connect()
        pushed += gateway.push(UNB, "a", "b", duplicate=True)["ids"]
        await rounds(desk, 2)
        await desk.until(lambda: desk.inbox.counts.stored >= 123, "all are stored")
        rows = await desk.rows()

        assert collections.Counter(row.message.id for row in rows) == collections.Counter(ids + pushed)
        assert [row.message.text for row in rows if row.message.conversation == "c0"] == [
            "m0",
            *(f"n{number}" for number in range(60)),
        ]
        assert len(desk.calls(im_calls.LIST_TALKS)) == 3
        assert len(desk.calls(im_calls.LIST_MESSAGES)) == 59 + 4 + 1


async def test_more_than_a_turn(gateway: Gateway, tmp_path: Path) -> None:
    """What one turn does not reach the next one goes on with; nothing is left out, and the mark waits for the end."""
    async with Desk(gateway, tmp_path, tempo=tempo(pages=2)) as desk:
        await desk.connect()
        await rounds(desk)
        await desk.disconnect()
        items = [{"text": "x", "conversation": f"c{number}"} for number in range(120)]
        items += [{"text": "x", "conversation": "long"}] * 90
        ids = gateway.push(UNB, items=items, deliver=False)["ids"]
        await desk.connect()
        await rounds(desk, 2)

        assert collections.Counter(row.message.id for row in await desk.rows()) == collections.Counter(ids)
        assert desk.turns == 1 + 5  # of the long one, two are read again on the way up
        desk.log.close()
        assert (tmp_path / "a0.log").read_text().count("漏收消息较多，分批补收") == 4


async def test_a_round_that_breaks_off_begins_anew(gateway: Gateway, tmp_path: Path) -> None:
    """Messages that a lost connection kept from being read are found on the next one."""
    async with Desk(gateway, tmp_path, tempo=tempo(busy_waits=(5.0,))) as desk:
        await desk.connect()
        await rounds(desk)
        await desk.disconnect()
        miss(gateway, "one")
        fault = gateway.fault(UNB, kind="flow_control")
        await desk.connect()
        await desk.until(lambda: len(desk.calls(im_calls.LIST_TALKS)) == 2, "the round began")
        gateway.drop(UNB)
        await desk.over()
        gateway.clear(fault)
        await desk.connect()
        await rounds(desk, 2)

        assert await texts(desk) == ["one"]


async def test_the_mark_outlives_the_process(gateway: Gateway, tmp_path: Path) -> None:
    """The next life of an account recovers what was missed between, and asks for nothing older than the overlap."""
    ago = now() - 7_200_000
    gateway.push(UNB, items=[{"text": "long ago", "conversation": "c1", "time": ago}])
    async with Desk(gateway, tmp_path, since=ago - 1) as desk:
        await desk.connect()
        await rounds(desk)
        assert await texts(desk) == ["long ago"]
        gateway.push(UNB, "now")
        await desk.disconnect()
        await desk.connect()
        await rounds(desk, 2)
    miss(gateway, "between")
    async with Desk(gateway, tmp_path, since=ago - 1) as desk:
        await desk.connect()
        await rounds(desk)

        assert await texts(desk) == ["long ago", "now", "between"]
        assert [body[0] for body in desk.calls(im_calls.LIST_MESSAGES)] == ["51000000001@goofish"]
        assert desk.catch_up.recovered == 1


async def test_a_quiet_round_reads_and_opens_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """A conversation that was read to its end is not read again until it changes."""
    miss(gateway, "x", time=now() - 100_000)
    async with Desk(gateway, tmp_path, since=1, catch_up_every=0.02) as desk:
        await desk.connect()
        await rounds(desk, 4)
        assert len(desk.calls(im_calls.LIST_MESSAGES)) == 1
        miss(gateway, "y")
        await desk.until(lambda: desk.catch_up.recovered == 2, "the change is seen")


async def test_flow_control_is_waited_out(gateway: Gateway, tmp_path: Path) -> None:
    """A server that says "not now" is asked again, later and later."""
    async with Desk(gateway, tmp_path, tempo=tempo(busy_waits=(0.05, 0.1, 0.2, 2.0))) as desk:
        await desk.connect()
        await rounds(desk)
        await desk.disconnect()
        miss(gateway, "one")
        fault = gateway.fault(UNB, kind="flow_control")
        await desk.connect()
        await desk.until(lambda: len(desk.calls(im_calls.LIST_TALKS)) == 4, "two waits")
        gateway.clear(fault)
        await rounds(desk, 2)
        times = [at for at, lwp, _ in desk.asked if lwp == im_calls.LIST_TALKS][1:]
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]

        assert await texts(desk) == ["one"]
        # The last call may have come before the fault was lifted, or after it.
        assert 2 <= len(gaps) <= 3
        assert all(gap > wait - 0.005 for gap, wait in zip(gaps, (0.05, 0.1, 0.2), strict=False))
        assert desk.turns == 2


async def test_too_much_flow_control(gateway: Gateway, tmp_path: Path) -> None:
    """After too many tries the round is left, said so, and taken up again later, with another turn."""
    async with Desk(gateway, tmp_path, tempo=tempo(busy_waits=(0.01, 0.01), again=0.05)) as desk:
        miss(gateway, "one")
        fault = gateway.fault(UNB, kind="flow_control")
        await desk.connect()
        await desk.until(lambda: desk.turns == 2, "the next try")
        gateway.clear(fault)
        await rounds(desk)

        assert await texts(desk) == ["one"]
        desk.log.close()
        log = (tmp_path / "a0.log").read_text()
        assert "/r/Conversation/listNewestPagination: flow control (400600001)" in log


async def test_each_round_waits_for_its_turn(gateway: Gateway, tmp_path: Path) -> None:
    """Nothing is listed before the supervisor says so; a turn that nobody asked for begins nothing."""
    async with Desk(gateway, tmp_path, grant=False, catch_up_every=0.15) as desk:
        await desk.connect()
        await desk.until(lambda: desk.turns == 1, "the turn is asked for")
        await asyncio.sleep(0.05)
        assert desk.asked == []
        desk.catch_up.turn()
        await rounds(desk)
        desk.catch_up.turn()
        await desk.until(lambda: desk.turns == 2, "the next turn is asked for")
        await asyncio.sleep(0.05)

        assert desk.catch_up.rounds == 1


async def test_without_a_word_it_goes_on(gateway: Gateway, tmp_path: Path) -> None:
    """A supervisor that says nothing does not keep messages away."""
    async with Desk(gateway, tmp_path, grant=False, tempo=tempo(turn_wait=0.1)) as desk:
        began = time.monotonic()
        await desk.connect()
        await rounds(desk)

        assert time.monotonic() - began >= 0.1


async def test_list_wait(gateway: Gateway, tmp_path: Path) -> None:
    """Nobody is asked for anything too soon after the registration."""
    async with Desk(gateway, tmp_path, tempo=tempo(list_wait=0.15)) as desk:
        began = time.monotonic()
        await desk.connect()
        await desk.until(lambda: desk.turns, "the turn is asked for")

        assert time.monotonic() - began >= 0.149


async def test_again_after_silence(gateway: Gateway, tmp_path: Path) -> None:
    """On a living connection there is a round when nothing was heard for a while; what is heard puts it off."""
    async with Desk(gateway, tmp_path, catch_up_every=0.3) as desk:
        await desk.connect()
        await rounds(desk)
        ended = time.monotonic()
        await asyncio.sleep(0.2)
        desk.catch_up.heard()
        await rounds(desk, 2)

        assert time.monotonic() - ended >= 0.2 + 0.9 * 0.3


async def test_never_again_when_told_so(gateway: Gateway, tmp_path: Path) -> None:
    """0 turns it off, and another setting on at once."""
    async with Desk(gateway, tmp_path, catch_up_every=0.0) as desk:
        await desk.connect()
        await rounds(desk)
        await asyncio.sleep(0.05)
        assert desk.turns == 1
        desk.catch_up.apply(msgspec.structs.replace(desk.mail, catch_up_every=0.02))

        await rounds(desk, 2)


async def test_a_zombie_is_found(gateway: Gateway, tmp_path: Path) -> None:
    """A message from after the connection began that was never pushed proves it, once for each connection."""
    async with Desk(gateway, tmp_path, tempo=tempo(push_within=0.5), catch_up_every=0.05) as desk:
        await desk.connect()
        await rounds(desk)
        miss(gateway, "one", time=now() + 5)
        await desk.until(lambda: desk.catch_up.recovered, "it is found")
        found_soon = list(desk.zombies)
        miss(gateway, "two", time=now() - 1)  # found before it is old enough
        await desk.until(lambda: desk.catch_up.recovered == 2, "it is found")
        before = list(desk.zombies)
        await asyncio.sleep(0.52)
        miss(gateway, "three", "four", conversation="c", time=now() - 505)
        miss(gateway, "five", time=now() - 503)
        await desk.until(lambda: desk.zombies, "the zombie is found")
        count = desk.catch_up.rounds
        miss(gateway, "six", time=now() - 501)
        await rounds(desk, count + 2)

        assert (found_soon, before) == ([], [])
        assert len(desk.zombies) == desk.catch_up.zombies == 1
        assert desk.zombies[0].startswith("messages were listed but not pushed: ")


async def test_messages_from_before_prove_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """What came before the connection began could not be pushed on it; an own message is no proof either."""
    async with Desk(gateway, tmp_path, since=1, tempo=tempo(push_within=0.0), catch_up_every=0.03) as desk:
        miss(gateway, "one", time=now() - 10_000)
        await desk.connect()
        await rounds(desk)
        miss(gateway, "two", time=now() - 5_000)
        miss(gateway, "mine", type="echo")
        await desk.until(lambda: desk.catch_up.recovered == 3, "all are found")
        await rounds(desk, desk.catch_up.rounds + 2)

        assert desk.zombies == []


async def test_a_full_disk_is_waited_for(gateway: Gateway, tmp_path: Path) -> None:
    """While nothing can be stored nothing is looked for."""
    async with Desk(gateway, tmp_path) as desk:
        desk.inbox.trouble = Reason("disk_full")
        await desk.connect()
        await asyncio.sleep(0.1)
        assert desk.turns == 0
        desk.inbox.trouble = None

        await rounds(desk)


async def test_what_was_refused_is_looked_for_and_proves_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """A push that could not be taken is listed soon, and the connection that brought it is no zombie."""
    async with Desk(gateway, tmp_path, tempo=tempo(push_within=0.0)) as desk:
        await desk.connect()
        await rounds(desk)
        await asyncio.sleep(0.02)
        miss(gateway, "one", time=now() - 5)
        desk.catch_up.refused()
        await rounds(desk, 2)

        assert await texts(desk) == ["one"]
        assert desk.zombies == []


async def test_a_clock_that_was_set_proves_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """Where the clock was slow when the connection began, messages from before it are not taken for unpushed ones."""
    async with Desk(gateway, tmp_path, since=1, tempo=tempo(push_within=0.0), began=now() - 60_000) as desk:
        miss(gateway, "one", time=now() - 10_000)
        await desk.connect()
        await rounds(desk)

        assert await texts(desk) == ["one"]
        assert desk.zombies == []
