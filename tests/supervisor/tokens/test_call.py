"""A token call: what it is made of, and what its answers lead to."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import pytest

from support.tokens import (
    BROKEN,
    COOKIE,
    DEAD,
    RENEWED,
    RESPONSES,
    RISK,
    SHOP,
    SIGN_EXPIRED,
    UNB,
    answer_of,
    refused,
    service,
)
from support.tokenserver import Answer, TokenServer
from xyfleet.supervisor.common.rate_limit import DAY
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.tokens.service import MAX_SIGNINGS
from xyfleet.supervisor.tokens.token_values import Token, TokenAccount, TokenRefused
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret


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
        ("ok_without_token", Cause.PLATFORM, 1),
        ("sign_token_expired", None, 2),
        ("sign_token_empty", None, 2),
        ("session_expired", Cause.AUTH, 1),
        ("risk_control", Cause.RISK, 1),
        ("not_json", Cause.PLATFORM, 1),
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
    assert "_m_h5_tk=fedcba" in (tmp_path / "users" / f"{UNB}.json").read_text()


@pytest.mark.parametrize(
    ("answer", "cause", "reason"),
    [
        (BROKEN, Cause.PLATFORM, "token call: HTTP status 502"),
        (Answer(status=302, body=b""), Cause.PLATFORM, "token call: HTTP status 302"),
        (Answer(body=b"x" * 3_000_000), Cause.PLATFORM, "token call: answer is not JSON"),
        (Answer(hang_up=True), Cause.NETWORK, "token call: connection closed without an answer"),
        (Answer(delay=5), Cause.NETWORK, "token call: timed out"),
    ],
)
async def test_trouble_is_named(store: Store, server: TokenServer, answer: Answer, cause: Cause, reason: str) -> None:
    """HTTP errors and floods are the platform's, silence the network's; no reason has any of the body; calls count."""
    server.say(answer)
    refusal = await refused(service(store, server, TokenLimits(rate=0, timeout=0.3)))

    assert (refusal.cause, str(refusal.reason)) == (cause, reason)
    assert len(store.get("shop").calls) == 1


async def test_who_has_no_cookie_needs_a_login(store: Store, server: TokenServer) -> None:
    """An account before its first login is refused without a call."""
    refusal = await refused(service(store, server), TokenAccount(name="new", user_agent="x"))

    assert str(refusal) == "auth: no cookie yet"
    assert server.calls == []
