"""Tests of `xyfleet.supervisor.tokens.service`, `schedule` and `call`: the service against a real HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.gateway import Gateway
from support.places import VECTORS_FILE
from support.proxies import TinyProxy
from support.tokenserver import Answer, TokenServer
from xyfleet.supervisor.common.rate_limit import DAY
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.tokens.egress import tls_context
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.tokens.service import MAX_SIGNINGS, Token, TokenAccount, TokenRefused, TokenService
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text())
RESPONSES = {each["name"]: each for each in VECTORS["token_api"]["responses"]}
TLS = tls_context(None)
UNB = "2200000000001"
COOKIE = Secret(f"unb={UNB}; cookie2=sim-secret-cookie; _m_h5_tk=0123456789abcdef0123456789abcdef_1")
NEW_COOKIE = Secret(f"unb={UNB}; cookie2=sim-newer; _m_h5_tk=ffffffffffffffffffffffffffffffff_1")
SHOP = TokenAccount(name="shop", user_agent="Agent/1")
FREE = TokenLimits(rate=0, first_gap=0.0, longest_gap=0.0, longest_gap_unreached=0.0, timeout=2.0)
"""No waits, for tests that look at something else."""
RENEWED = ["_m_h5_tk=fedcba9876543210fedcba9876543210_2; Domain=goofish.com", "_m_h5_tk_enc=y"]
SIGN_EXPIRED = Answer("FAIL_SYS_TOKEN_EXOIRED::令牌过期", token=None, set_cookie=RENEWED)
DEAD = Answer("FAIL_SYS_SESSION_EXPIRED::Session过期", token=None)
RISK = Answer(["FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM::x"], token=None)
BROKEN = Answer(status=502, body=b"<html>secret</html>")


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    """A token endpoint."""
    async with TokenServer() as running:
        yield running


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with the account `shop`."""
    store = Store(tmp_path)
    store.load([])
    store.adopt("shop", COOKIE, "file")
    yield store
    assert await store.close()


def service(store: Store, server: TokenServer, limits: TokenLimits = FREE, **clocks: Clock) -> TokenService:
    """Return a service that asks the server."""
    return TokenService(store, server.url, TLS, limits, **clocks)


async def refused(tokens: TokenService, account: TokenAccount = SHOP, stale: int | None = None) -> TokenRefused:
    """Return the refusal that a request must get."""
    with pytest.raises(TokenRefused) as caught:
        await tokens.get(account, stale)
    return caught.value


def answer_of(name: str) -> Answer:
    """Return an answer of the vectors."""
    vector = RESPONSES[name]
    body = json.dumps(vector["http"]) if "http" in vector else vector["body"]
    return Answer(body=body.encode(), set_cookie=vector.get("set_cookie", []))


# What a call is made of, and what its answers lead to.


async def test_the_call_is_the_web_client_s(store: Store, server: TokenServer) -> None:
    """Cookie, signature, device id and user agent are as the protocol wants them."""
    token = await service(store, server).get(SHOP)

    (call,) = server.calls
    assert call.signed
    assert call.cookie["cookie2"] == "sim-secret-cookie"
    assert json.loads(call.data)["deviceId"] == store.get("shop").device_id
    assert (call.headers["User-Agent"], call.headers["Origin"]) == ("Agent/1", "https://www.goofish.com")
    assert token == Token(serial=1, text=Secret("tok+abc-1"), expires=token.expires, fresh=True)
    assert token.expires == pytest.approx(time.time() + DAY, abs=120)


@pytest.mark.parametrize(
    ("name", "cause", "calls"),
    [
        ("ok", None, 1),
        ("ok_without_token", Cause.NETWORK, 1),
        ("sign_token_expired", None, 2),
        ("sign_token_empty", None, 2),
        ("session_expired", Cause.AUTH, 1),
        ("risk_control", Cause.RISK, 1),
        ("not_json", Cause.NETWORK, 1),
    ],
)
async def test_answers_of_the_vectors(
    store: Store, server: TokenServer, name: str, cause: Cause | None, calls: int
) -> None:
    """Every answer of the vectors leads to what they expect: a token, another signature, or a refusal and its cause."""
    store.adopt("shop", Secret(COOKIE.reveal() + "0"), "file")  # Another time: the vectors' new one is a change.
    if name == "sign_token_empty":
        store.adopt("shop", Secret(f"unb={UNB}; cookie2=x"), "file")
    server.say(answer_of(name))
    tokens = service(store, server)
    if cause is None:
        assert (await tokens.get(SHOP)).fresh
    else:
        assert (await refused(tokens)).cause is cause

    assert len(server.calls) == calls
    assert all(call.signed for call in server.calls)
    kept = store.get("shop").cookie
    assert kept is not None
    assert all(pair.split(";")[0] in kept.reveal() for pair in RESPONSES[name].get("set_cookie", []))


async def test_signing_again_is_bounded(store: Store, server: TokenServer) -> None:
    """A signing cookie refused again and again costs three calls, and is nothing that a login could mend."""
    for number in range(5):
        server.say(Answer("FAIL_SYS_TOKEN_EMPTY::x", token=None, set_cookie=[f"_m_h5_tk={number}abc_1"]))
    refusal = await refused(service(store, server))

    assert str(refusal) == "network: token call: signing cookie refused again and again"
    assert len(server.calls) == MAX_SIGNINGS == 3


async def test_a_signing_cookie_that_is_not_renewed_is_not_tried_again(store: Store, server: TokenServer) -> None:
    """Without a new signing cookie another signature would be the same."""
    server.say(Answer("FAIL_SYS_TOKEN_EXOIRED::x", token=None))
    refusal = await refused(service(store, server))

    assert str(refusal) == "network: token call: signing cookie refused and not renewed"
    assert len(server.calls) == 1


@pytest.mark.parametrize("answer", [DEAD, RISK, BROKEN, SIGN_EXPIRED, Answer("FAIL_BIZ_X::y", token=None)])
async def test_cookies_are_merged_on_every_answer(
    store: Store, server: TokenServer, tmp_path: Path, answer: Answer
) -> None:
    """An answer's cookies are kept and saved, errors included."""
    server.say(Answer(answer.ret, answer.token, status=answer.status, set_cookie=[*RENEWED, "seen=1"]))
    with contextlib.suppress(TokenRefused):
        await service(store, server).get(SHOP)
    await store.flush()
    kept = store.get("shop").cookie

    assert kept is not None
    assert kept.reveal().endswith("_m_h5_tk=fedcba9876543210fedcba9876543210_2; _m_h5_tk_enc=y; seen=1")
    assert "_m_h5_tk=fedcba" in (tmp_path / "accounts" / "shop.json").read_text()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (BROKEN, "token call: HTTP status 502"),
        (Answer(status=302, body=b""), "token call: HTTP status 302"),
        (Answer(body=b"x" * 3_000_000), "token call: answer is not JSON"),
        (Answer(hang_up=True), "token call: connection closed without an answer"),
        (Answer(delay=5), "token call: timed out"),
    ],
)
async def test_trouble_is_named(store: Store, server: TokenServer, answer: Answer, reason: str) -> None:
    """HTTP errors, redirects, floods, silence: cause `network`, a reason without any of the body, and counted calls."""
    server.say(answer)
    refusal = await refused(service(store, server, TokenLimits(rate=0, timeout=0.3)))

    assert (refusal.cause, refusal.reason) == (Cause.NETWORK, reason)
    assert len(store.get("shop").calls) == 1


async def test_who_has_no_cookie_needs_a_login(store: Store, server: TokenServer) -> None:
    """An account before its first login is refused without a call."""
    refusal = await refused(service(store, server), TokenAccount(name="new", user_agent="x"))

    assert str(refusal) == "auth: no cookie yet"
    assert server.calls == []


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


# Pace, pauses, budget.


@pytest.mark.timing
async def test_calls_are_paced_per_egress(store: Store, server: TokenServer) -> None:
    """A burst goes at once, the rest at the rate, in order; who waits hears of it; another egress has its own pace."""
    tokens = service(store, server, TokenLimits(rate=20, burst=3))
    heard: list[str] = []
    names = [f"a{number}" for number in range(7)]
    for name in [*names, "proxied"]:
        store.adopt(name, COOKIE, "file")
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
    assert any(why.startswith("token calls are paced") for why in heard)


async def test_who_leaves_the_queue_takes_no_turn(store: Store, server: TokenServer) -> None:
    """Requests cancelled while they wait for their turn do not delay the others."""
    tokens = service(store, server, TokenLimits(rate=4, burst=1))
    names = [f"a{number}" for number in range(40)]
    for name in names:
        store.adopt(name, COOKIE, "file")
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
    heard: list[str] = []
    for _ in range(3):
        with pytest.raises(TokenRefused):
            await tokens.get(SHOP, None, heard.append)
    await tokens.get(SHOP, None, heard.append)
    gaps = [later.at - earlier.at for earlier, later in zip(server.calls, server.calls[1:], strict=False)]

    assert all(gap >= least - 0.02 for gap, least in zip(gaps, (0.1, 0.2, 0.4), strict=True))
    assert heard == ["last token call failed; next one in 0 s"] * 3
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
    heard: list[str] = []
    tokens = service(store, server, limits, wall=wall)
    asking = asyncio.create_task(tokens.get(SHOP, 3, heard.append))
    await asyncio.sleep(0.1)
    assert heard == ["token calls of this day are used up; next one in 86100 s"]
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
    assert store.get("shop").calls == server.calls == []


async def test_other_limits_can_be_applied(store: Store, server: TokenServer) -> None:
    """A reload's `token_rate` holds for the next call."""
    tokens = service(store, server, TokenLimits(rate=0.001, burst=1))
    await tokens.get(SHOP)
    tokens.apply(FREE)

    assert (await asyncio.wait_for(tokens.get(SHOP, stale=1), 2)).serial == 2


# Ways out.


async def test_a_proxy_is_never_left_aside(store: Store, server: TokenServer) -> None:
    """With a proxy that refuses, or an address that can't be one, the server is never asked directly."""
    tokens = service(store, server)
    for proxy, reason in (("socks5://127.0.0.1:1", "proxy can't be reached"), ("gopher://x:1", "proxy address")):
        refusal = await refused(tokens, TokenAccount(name="shop", user_agent="x", proxy=Secret(proxy)))
        assert refusal.cause is Cause.NETWORK
        assert refusal.reason.startswith(f"token call: {reason}")

    assert server.calls == []


async def test_a_probe_says_why(store: Store, server: TokenServer) -> None:
    """A probe returns None when the endpoint answers, else the reason."""
    tokens = service(store, server)

    assert await tokens.probe(server.url) is None
    assert (
        await tokens.probe(server.url, Secret("socks5://127.0.0.1:1")) == "proxy can't be reached: connection refused"
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
