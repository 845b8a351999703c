"""A token call's turn: one for all calls of one token, told to who asks, and looked at again before it is used."""

from __future__ import annotations

import asyncio

import pytest

from support.station import until
from support.tokens import SHOP, SIGN_EXPIRED, cookie_of, service
from support.tokenserver import TokenServer
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.tokens.token_values import HeldBack, TokenAccount
from xyfleet.worker.reasons import Reason


def shops(store: Store, count: int) -> list[TokenAccount]:
    """Return accounts with a cookie each."""
    names = [f"a{number}" for number in range(count)]
    for name in names:
        store.adopt(name, cookie_of(name), "file")
    return [TokenAccount(name=name, user_agent="x") for name in names]


async def test_the_calls_of_one_token_are_one_turn(store: Store, server: TokenServer) -> None:
    """A fresh shop's second call, with the cookie that the first one set, follows at once: nobody connects later."""
    server.say(SIGN_EXPIRED)
    tokens = service(store, server, TokenLimits(rate=0.01, burst=1))

    assert (await asyncio.wait_for(tokens.get(SHOP), 2)).fresh
    assert len(server.calls) == 2


async def test_who_waits_for_a_turn_is_told_his_place(store: Store, server: TokenServer) -> None:
    """Number and seconds are those of the moment in which it is asked."""
    tokens = service(store, server, TokenLimits(rate=0.1, burst=1))
    asking = [asyncio.create_task(tokens.get(each)) for each in shops(store, 4)]
    await until(lambda: server.calls)
    waits = tokens.waits()
    assert [waits[name].fields["turn"] for name in ("a1", "a2", "a3")] == [1, 2, 3]
    seconds = [float(str(waits[name].fields["seconds"])) for name in ("a1", "a2", "a3")]
    assert seconds == pytest.approx([10, 20, 30], abs=1)
    assert all(isinstance(wait, Reason) and wait.code == "wait_token" for wait in waits.values())
    tokens.apply(TokenLimits(rate=0))
    await asyncio.wait_for(asyncio.gather(*asking), 2)
    assert tokens.waits() == {}


async def test_the_fleets_pace_is_changed_live(store: Store, server: TokenServer) -> None:
    """`fleet_rate.token_calls` holds whatever the egress, and another one for those who wait too."""
    tokens = service(store, server, TokenLimits(rate=0, over_fleet=0.1))
    asking = [asyncio.create_task(tokens.get(each)) for each in shops(store, 12)]
    await until(lambda: len(server.calls) == 10)
    await asyncio.sleep(0.1)
    assert len(server.calls) == 10
    tokens.apply(TokenLimits(rate=0, over_fleet=1000))
    await asyncio.wait_for(asyncio.gather(*asking), 2)


async def test_a_turn_that_comes_in_an_outage_makes_no_call(store: Store, server: TokenServer) -> None:
    """Who waited for his turn is looked at again before he acts."""
    tokens = service(store, server)
    with pytest.raises(HeldBack):
        await tokens.get(SHOP, held_back=lambda: True)
    assert server.calls == []


async def test_ways_out_that_nobody_goes_are_forgotten(store: Store, server: TokenServer) -> None:
    """Finding 30: a proxy's address, and the password in it, is not kept when no account goes by it."""
    tokens = service(store, server)
    await tokens.get(SHOP)
    assert len(tokens._egresses) == 1
    tokens.keep({None})
    assert len(tokens._egresses) == 1
    tokens.keep(set())
    assert (len(tokens._egresses), len(tokens._turns.turns)) == (0, 0)
