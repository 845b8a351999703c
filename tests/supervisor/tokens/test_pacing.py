"""Token calls in their order: pace, pauses and the day's budget."""

from __future__ import annotations

import asyncio
import time

import pytest

from support.proxies import TinyProxy
from support.tokens import BROKEN, DEAD, FREE, SHOP, Clock, cookie_of, refused, service
from support.tokenserver import TokenServer
from xyfleet.supervisor.common.rate_limit import DAY
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.tokens.token_values import TokenAccount, TokenRefused
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret


@pytest.mark.timing
async def test_calls_are_paced_per_egress(store: Store, server: TokenServer) -> None:
    """A burst goes at once, the rest at the rate, in order; another egress has its own pace."""
    tokens = service(store, server, TokenLimits(rate=20, burst=3))
    heard: list[Reason] = []
    names = [f"a{number}" for number in range(7)]
    for name in [*names, "proxied"]:
        store.adopt(name, cookie_of(name), "file")
    async with TinyProxy("http") as proxy:
        started = time.monotonic()
        asking = [
            asyncio.create_task(tokens.get(TokenAccount(name=n, user_agent=n), None, heard.append)) for n in names
        ]
        await tokens.get(TokenAccount(name="proxied", user_agent="p", proxy=Secret(proxy.url)))
        through_proxy = time.monotonic() - started
        await asyncio.gather(*asking)

    began = [call.at - started for call in server.calls if call.headers["User-Agent"] != "p"]
    assert through_proxy < 0.15
    assert began[2] < 0.15 < 0.19 < began[6] < 0.5
    order = [call.headers["User-Agent"] for call in server.calls if call.headers["User-Agent"] != "p"]
    assert (set(order[:3]), order[3:]) == (set(names[:3]), names[3:])  # a burst's connections race to the server


async def test_who_leaves_the_queue_takes_no_turn(store: Store, server: TokenServer) -> None:
    """Requests cancelled while they wait for their turn do not delay the others."""
    tokens = service(store, server, TokenLimits(rate=4, burst=1))
    names = [f"a{number}" for number in range(40)]
    for name in names:
        store.adopt(name, cookie_of(name), "file")
    asking = [asyncio.create_task(tokens.get(TokenAccount(name=name, user_agent=name))) for name in names]
    await asyncio.sleep(0.05)
    for task in asking[1:-1]:
        task.cancel()

    assert (await asyncio.wait_for(asking[-1], 2)).serial == 1
    assert {call.headers["User-Agent"] for call in server.calls} <= {"a0", "a1", "a39"}


async def test_failed_calls_are_further_and_further_apart(store: Store, server: TokenServer) -> None:
    """After each failure in a row the pause doubles; the request waits and says so, and a success ends it."""
    server.say(BROKEN, BROKEN, BROKEN)
    tokens = service(store, server, TokenLimits(rate=0, first_gap=0.1))
    heard: list[Reason] = []
    for _ in range(3):
        with pytest.raises(TokenRefused):
            await tokens.get(SHOP, None, heard.append)
    await tokens.get(SHOP, None, heard.append)
    gaps = [later.at - earlier.at for earlier, later in zip(server.calls, server.calls[1:], strict=False)]

    assert all(gap >= least - 0.02 for gap, least in zip(gaps, (0.1, 0.2, 0.4), strict=True))
    assert [str(why) for why in heard] == ["last token call failed; next one in 0 s"] * 3
    started = time.monotonic()
    await tokens.get(SHOP, stale=1)
    assert time.monotonic() - started < 0.5


async def test_a_pause_can_be_ended(store: Store, server: TokenServer) -> None:
    """`hurry` (an outage is over) and `forgive` let a waiting request go at once."""
    for end in ("hurry", "forgive"):
        server.say(BROKEN)
        tokens = service(store, server, TokenLimits(rate=0, first_gap=60))
        serial = store.get("shop").serial
        await refused(tokens, stale=serial)
        asking = asyncio.create_task(tokens.get(SHOP, stale=serial))
        await asyncio.sleep(0.05)
        assert not asking.done()
        if end == "hurry":
            tokens.hurry()
        else:
            tokens.forgive("shop")

        assert (await asyncio.wait_for(asking, 2)).fresh


async def test_hurry_does_not_revive_a_dead_login(store: Store, server: TokenServer) -> None:
    """The end of an outage is no reason to ask about a dead login."""
    server.say(DEAD)
    tokens = service(store, server)
    await refused(tokens)
    tokens.hurry()
    await refused(tokens)

    assert len(server.calls) == 1


async def test_the_day_s_budget_holds_over_restarts(store: Store, server: TokenServer) -> None:
    """With the budget used up the request waits, says so, and goes on a day after the first call."""
    wall = Clock(1_767_225_600.0)
    limits = TokenLimits(rate=0, per_day=3)
    for serial in range(3):
        await service(store, server, limits, wall=wall).get(SHOP, stale=serial)
        wall.now += 100
    heard: list[Reason] = []
    tokens = service(store, server, limits, wall=wall)
    asking = asyncio.create_task(tokens.get(SHOP, 3, heard.append))
    await asyncio.sleep(0.1)
    assert [str(why) for why in heard] == ["token calls of this day are used up; next one in 86100 s"]
    assert len(server.calls) == 3
    wall.now += DAY - 300
    tokens.hurry()

    assert (await asyncio.wait_for(asking, 2)).serial == 4


async def test_what_did_not_reach_the_server_is_not_counted(store: Store, server: TokenServer) -> None:
    """A night without network does not use up the day's calls, and its pauses stay short."""
    async with TinyProxy("socks5", "refuse") as proxy:
        account = TokenAccount(name="shop", user_agent="x", proxy=Secret(proxy.url))
        tokens = service(store, server, TokenLimits(rate=0, first_gap=0.01, longest_gap=60, longest_gap_unreached=0.02))
        for _ in range(10):
            refusal = await refused(tokens, account)

    assert str(refusal) == "network: token call: proxy refused: Connection refused by destination host"
    assert len(proxy.asked) == 10
    assert (store.get("shop").calls, server.calls) == ((), [])


async def test_other_limits_can_be_applied(store: Store, server: TokenServer) -> None:
    """A reload's `token_rate` holds for the next call."""
    tokens = service(store, server, TokenLimits(rate=0.001, burst=1))
    await tokens.get(SHOP)
    tokens.apply(FREE)

    assert (await asyncio.wait_for(tokens.get(SHOP, stale=1), 2)).serial == 2
