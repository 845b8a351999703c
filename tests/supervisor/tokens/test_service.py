"""Tests of `xyfleet.supervisor.tokens.service` against a real HTTP server: as few calls as can be, and good manners."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import pytest

from support.gateway import Gateway
from support.tokens import BROKEN, DEAD, FREE, NEW_COOKIE, RISK, SHOP, SIGN_EXPIRED, TLS, UNB, Clock, refused, service
from support.tokenserver import Answer, TokenServer
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.tokens.token_values import TokenAccount
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

# As few calls as can be.


async def test_a_held_token_is_used_again(store: Store, server: TokenServer) -> None:
    """One call serves all dials while the token is good, after a restart of the supervisor too."""
    first = await service(store, server).get(SHOP)
    again = await service(store, server).get(SHOP)

    assert (again.serial, again.text, again.fresh) == (first.serial, first.text, False)
    assert len(server.calls) == 1


async def test_a_token_near_its_end_is_not_handed_out(store: Store, server: TokenServer) -> None:
    """A minute before its end (a tenth of a short life) a token is replaced, with the next serial."""
    wall = Clock(1_767_225_600.0)
    tokens = service(store, server, wall=wall)
    server.say(Answer(life="7200000"), Answer(life=10_000))
    await tokens.get(SHOP)
    wall.now += 7200 - 61
    assert tokens.held("shop") is not None
    wall.now += 1
    assert tokens.held("shop") is None
    assert (await tokens.get(SHOP)).serial == 2
    wall.now += 8.9
    assert tokens.held("shop") is not None
    wall.now += 0.2
    assert (await tokens.get(SHOP)).serial == 3


async def test_a_stale_token_is_replaced_once(store: Store, server: TokenServer) -> None:
    """The serial that the gateway refused is called for once; a newer one on hand is given without a call."""
    tokens = service(store, server)
    await tokens.get(SHOP)

    assert (await tokens.get(SHOP, stale=1)).serial == 2
    assert (await tokens.get(SHOP, stale=1)).serial == 2
    assert tokens.held("shop", stale=2) is None
    assert len(server.calls) == 2


async def test_serials_only_grow(store: Store, server: TokenServer) -> None:
    """A worker that knows a later serial than a restored state file gets a later one still."""
    token = await service(store, server).get(SHOP, stale=40)

    assert token.serial == 41


async def test_one_call_at_a_time(store: Store, server: TokenServer) -> None:
    """Who asks while a call is under way shares its result."""
    server.say(Answer(delay=0.1))
    tokens = service(store, server)
    found = await asyncio.gather(*(tokens.get(SHOP) for _ in range(5)))

    assert {token.serial for token in found} == {1}
    assert len(server.calls) == 1


@pytest.mark.parametrize(("answer", "cause"), [(DEAD, Cause.AUTH), (RISK, Cause.RISK)])
async def test_after_the_worst_nothing_is_called(
    store: Store, server: TokenServer, tmp_path: Path, answer: Answer, cause: Cause
) -> None:
    """A dead login or a risk check is not asked about again, by a new supervisor neither."""
    server.say(answer)
    first = await refused(service(store, server))
    second = await refused(service(store, server))
    await store.flush()
    fresh = Store(tmp_path)
    fresh.load(["shop"])
    third = await refused(service(fresh, server))

    assert (first.cause, first.reason) == (second.cause, second.reason) == (third.cause, third.reason)
    assert first.cause is cause
    assert len(server.calls) == 1


async def test_forgiveness_allows_one_more_call(store: Store, server: TokenServer) -> None:
    """After `forgive` the next request calls; what it finds holds again."""
    server.say(DEAD, DEAD)
    tokens = service(store, server)
    await refused(tokens)
    tokens.forgive("shop")
    await refused(tokens)
    await refused(tokens)
    assert len(server.calls) == 2
    tokens.forgive("shop")

    assert (await tokens.get(SHOP)).serial == 1


@pytest.mark.parametrize("source", ["file", "hook"])
async def test_a_new_cookie_ends_it(store: Store, server: TokenServer, source: str) -> None:
    """A new cookie from the file or the hook is tried at once."""
    server.say(DEAD)
    tokens = service(store, server)
    await refused(tokens)
    if source == "file":
        store.adopt("shop", NEW_COOKIE, "file")
    else:
        store.replace("shop", NEW_COOKIE, "hook")

    assert (await tokens.get(SHOP)).fresh
    assert server.calls[-1].cookie["cookie2"] == "sim-newer"


@pytest.mark.parametrize("answer", [DEAD, Answer(), SIGN_EXPIRED])
async def test_an_answer_to_an_old_login_is_not_the_new_one_s(
    store: Store, server: TokenServer, answer: Answer
) -> None:
    """A cookie that changes while a call is under way: its answer, good or bad, is dropped, and the new one is used."""
    server.say(Answer(answer.ret, "old", set_cookie=["old=1"], delay=0.2))
    asking = asyncio.create_task(service(store, server).get(SHOP))
    await asyncio.sleep(0.1)
    store.replace("shop", NEW_COOKIE, "login")
    token = await asking

    assert token.text.reveal().startswith("tok+abc")
    assert store.get("shop").cookie == NEW_COOKIE
    assert [call.cookie["cookie2"] for call in server.calls] == ["sim-secret-cookie", "sim-newer"]


# Ways out.


async def test_a_proxy_is_never_left_aside(store: Store, server: TokenServer) -> None:
    """With a proxy that refuses, or an address that can't be one, the server is never asked directly."""
    tokens = service(store, server)
    for proxy, reason in (("socks5://127.0.0.1:1", "proxy can't be reached"), ("gopher://x:1", "proxy address")):
        refusal = await refused(tokens, TokenAccount(name="shop", user_agent="x", proxy=Secret(proxy)))
        assert refusal.cause is Cause.NETWORK
        assert str(refusal.reason).startswith(f"token call: {reason}")

    assert server.calls == []


async def test_a_probe_says_why(store: Store, server: TokenServer) -> None:
    """A probe returns None when the endpoint answers, else the reason."""
    tokens = service(store, server)

    assert await tokens.probe(server.url) is None
    assert (
        str(await tokens.probe(server.url, Secret("socks5://127.0.0.1:1")))
        == "proxy can't be reached: connection refused"
    )


# Good manners.


async def test_who_gives_up_ends_the_wait(store: Store, server: TokenServer) -> None:
    """A request cancelled while it waits makes no call any more, and the next one is not held up by it."""
    server.say(BROKEN)
    tokens = service(store, server, TokenLimits(rate=0, first_gap=60))
    await refused(tokens)
    asking = asyncio.create_task(tokens.get(SHOP))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.wait([asking])
    tokens.forgive("shop")

    assert (await asyncio.wait_for(tokens.get(SHOP), 2)).serial == 1
    assert len(server.calls) == 2


async def test_a_call_under_way_counts_when_it_is_cancelled(store: Store, server: TokenServer) -> None:
    """A call whose answer nobody waited for was made all the same."""
    server.say(Answer(delay=5))
    asking = asyncio.create_task(service(store, server).get(SHOP))
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.wait([asking])

    assert len(store.get("shop").calls) == 1


async def test_nothing_secret_is_logged(store: Store, server: TokenServer, caplog: pytest.LogCaptureFixture) -> None:
    """Log lines of good and bad calls name the account, and show neither cookie nor token nor body."""
    server.say(BROKEN, SIGN_EXPIRED, Answer(token="tok-secret"), RISK)
    tokens = service(store, server)
    with caplog.at_level(logging.DEBUG):
        await refused(tokens)
        await tokens.get(SHOP)
        await refused(tokens, stale=1)

    assert "account=shop" in caplog.text
    assert not re.search(r"secret|sim-|fedcba|0123456789abcdef", caplog.text)


# Against the built-in gateway, which speaks the whole protocol.


async def test_the_gateway_s_token_call(store: Store, gateway: Gateway) -> None:
    """First call, an old signing cookie, a dead session, a new login, risk control: all as with the real service."""
    store.adopt("shop", Secret(f"unb={UNB}; cookie2=sim-first"), "file")
    tokens = TokenService(store, gateway.token_url, TLS, FREE)
    assert (await tokens.get(SHOP)).serial == 1
    gateway.fault(UNB, kind="sign_expired")
    assert (await tokens.get(SHOP, stale=1)).serial == 2
    gateway.clear()
    gateway.fault(UNB, kind="session_expired")
    assert (await refused(tokens, stale=2)).cause is Cause.AUTH
    store.replace("shop", Secret(f"unb={UNB}; cookie2=sim-second"), "hook")
    assert (await tokens.get(SHOP)).serial == 3
    gateway.fault(UNB, kind="risk")
    assert (await refused(tokens, stale=3)).cause is Cause.RISK
    calls = gateway.stats(UNB)["token_calls"]
    await refused(tokens, stale=3)

    assert gateway.stats(UNB)["token_calls"] == calls
    assert gateway.stats(UNB)["tokens_issued"] == 3
