"""The token call: signatures, signing cookies, logins, and each fault of it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest

from support.gateway import Gateway
from support.imclient import APP_KEY, OTHER, UNB, Login, connected
from support.places import VECTORS_FILE

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text())
RESPONSES = {entry["name"]: entry for entry in VECTORS["token_api"]["responses"]}


@pytest.fixture
def gateway(fresh_gateway: Gateway) -> Gateway:
    """Use the gateway that serves the whole run."""
    return fresh_gateway


@pytest.fixture
async def signed(gateway: Gateway) -> Login:
    """A login that has its signing cookie already."""
    login = Login(gateway)
    await login.call()
    return login


def like(answer: str, name: str) -> bool:
    """Tell whether an answer has the vector's `ret` and the keys of its `data`."""
    found, wanted = json.loads(answer), RESPONSES[name]["http"]
    return found["ret"] == wanted["ret"] and set(found["data"]) == set(wanted["data"])


async def test_first_call_gets_a_signing_cookie(gateway: Gateway) -> None:
    """Without `_m_h5_tk`: token empty, and a new cookie; signed with it: a token."""
    login = Login(gateway)
    status, first = await login.call()
    _status, second = await login.call()

    assert status == 200
    assert like(first, "sign_token_empty")
    assert like(second, "ok")
    figures = gateway.stats(UNB)
    assert (figures["token_calls"], figures["tokens_issued"]) == (2, 1)
    assert len(figures["token_times"]) == 2


async def test_token_comes_raw_or_quoted_and_says_its_life(gateway: Gateway, signed: Login) -> None:
    """S2: six of seven clients do not decode it, so it needs no decoding; with the fault it does."""
    _status, text = await signed.call()
    raw = json.loads(text)["data"]
    gateway.fault(UNB, kind="token_quoted", count=1)
    _status, text = await signed.call()
    quoted = json.loads(text)["data"]

    assert unquote(raw["accessToken"]) == raw["accessToken"]
    assert unquote(quoted["accessToken"]) != quoted["accessToken"]
    assert raw["accessTokenExpiredTime"] == "86400000"


async def test_signing_cookie_stays_good(signed: Login) -> None:
    """One signing cookie serves many calls."""
    assert [(await signed.ret()).split(":")[0] for _ in range(3)] == ["SUCCESS"] * 3


@pytest.mark.parametrize("cookie", ["0123456789abcdef0123456789abcdef_1767229200000", "garbage"])
async def test_signing_cookie_never_issued_is_expired(signed: Login, cookie: str) -> None:
    """A foreign one is answered with a new one."""
    signed.cookies["_m_h5_tk"] = cookie
    _status, text = await signed.call()

    assert like(text, "sign_token_expired")
    assert (await signed.ret()).startswith("SUCCESS")


async def test_signing_cookie_of_another_account_is_expired(gateway: Gateway, signed: Login) -> None:
    """Cookies of two accounts must not be mixed."""
    other = Login(gateway, OTHER)
    other.cookies["_m_h5_tk"] = signed.cookies["_m_h5_tk"]

    assert (await other.ret()).startswith("FAIL_SYS_TOKEN_EXOIRED")


@pytest.mark.parametrize("wrong", [{"sign": "0" * 32}, {"t": "5"}, {"appKey": "1"}, {"v": "2.0"}, {"api": "x"}])
async def test_wrong_signature_is_refused(signed: Login, wrong: dict[str, str]) -> None:
    """Everything that the signature covers, and the fixed parts of the query, are checked."""
    assert (await signed.ret(**wrong)).startswith("FAIL_SYS_ILLEGAL_ACCESS")


async def test_device_id_has_the_pages_form_when_strict() -> None:
    """S4: another form is known from a client that gets in; with --strict the id ends with the user id."""
    with Gateway("--strict") as strict:
        login = Login(strict)
        await login.ret()
        assert (await login.ret()).startswith("SUCCESS")
        login.unb = OTHER
        assert (await login.ret()).startswith("FAIL_SYS_PARAMINVALID_ERROR")
        odd = json.dumps({"appKey": APP_KEY, "deviceId": "673B2986-E590-421A-A8F9-28202BA25823-1767225600000"})
        assert (await login.ret(odd)).startswith("FAIL_SYS_PARAMINVALID_ERROR")
        assert strict.stats(UNB)["tokens_issued"] == 1


async def test_other_apis_are_not_found(gateway: Gateway) -> None:
    """S9: mtop says so in JSON."""
    url = gateway.token_url.replace("pc.login.token", "pc.user.query")
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        answer = await response.json()

    assert answer["ret"] == ["FAIL_SYS_API_NOT_FOUNDED::请求API不存在"]
    assert answer["api"] == "mtop.taobao.idlemessage.pc.user.query"


@pytest.mark.parametrize("data", ["", "{", "[]", '{"appKey":"x"}', f'{{"appKey":"{APP_KEY}","deviceId":""}}'])
async def test_form_is_checked(signed: Login, data: str) -> None:
    """Well signed, but not what the call needs."""
    assert (await signed.ret(data)).startswith("FAIL_SYS_PARAMINVALID_ERROR")


@pytest.mark.parametrize("missing", ["unb", "cookie2"])
async def test_no_login_is_an_expired_session(gateway: Gateway, missing: str) -> None:
    """Without user id or login there is nobody."""
    login = Login(gateway)
    del login.cookies[missing]
    _status, text = await login.call()

    assert like(text, "session_expired")


async def test_session_expired_voids_the_present_login_only(gateway: Gateway, signed: Login) -> None:
    """The old login is dead for good; a new one is good at once."""
    await signed.token()
    gateway.fault(UNB, kind="session_expired")
    _status, text = await signed.call()

    assert like(text, "session_expired")
    gateway.clear()
    assert (await signed.ret()).startswith("FAIL_SYS_SESSION_EXPIRED")
    signed.cookies["cookie2"] = "sim-2"
    assert (await signed.ret()).startswith("SUCCESS")


async def test_session_expired_spares_other_accounts(gateway: Gateway, signed: Login) -> None:
    """Only the named account's login dies."""
    other = Login(gateway, OTHER)
    await other.token()
    gateway.fault(UNB, kind="session_expired")

    assert (await other.ret()).startswith("SUCCESS")


async def test_session_expired_can_refuse_new_logins_too(gateway: Gateway, signed: Login) -> None:
    """With `logins: true` nothing helps until it is lifted."""
    gateway.fault(UNB, kind="session_expired", logins=True)
    signed.cookies["cookie2"] = "sim-2"

    assert (await signed.ret()).startswith("FAIL_SYS_SESSION_EXPIRED")
    gateway.clear()
    assert (await signed.ret()).startswith("SUCCESS")


async def test_login_known_from_a_stored_token_dies_too(gateway: Gateway) -> None:
    """A client that came with a token from its disk, without a token call, has shown its login by it."""
    login = Login(gateway)
    token = await login.token()
    gateway.reset()
    async with connected(gateway, token=token):
        gateway.fault(UNB, kind="session_expired")

    assert (await login.ret()).startswith("FAIL_SYS_SESSION_EXPIRED")


async def test_risk_control(gateway: Gateway, signed: Login) -> None:
    """The vector's two texts, and an address to verify at."""
    gateway.fault(UNB, kind="risk")
    _status, text = await signed.call()

    assert like(text, "risk_control")
    assert gateway.stats(UNB)["tokens_issued"] == 0


async def test_sign_expired_voids_older_cookies(gateway: Gateway, signed: Login) -> None:
    """One answer with a new cookie, and the next call is good."""
    gateway.fault(UNB, kind="sign_expired")
    _status, text = await signed.call()

    assert like(text, "sign_token_expired")
    assert (await signed.ret()).startswith("SUCCESS")


async def test_sign_expired_for_ever(gateway: Gateway, signed: Login) -> None:
    """`once: false`: no signing cookie is ever good."""
    gateway.fault(UNB, kind="sign_expired", once=False)

    assert {(await signed.ret()).split(":")[0] for _ in range(4)} == {"FAIL_SYS_TOKEN_EXOIRED"}


async def test_token_garbage_is_no_json(gateway: Gateway, signed: Login) -> None:
    """The vector's body, as HTML."""
    gateway.fault(UNB, kind="token_garbage", count=1)

    assert await signed.call() == (200, RESPONSES["not_json"]["body"])
    assert (await signed.ret()).startswith("SUCCESS")


async def test_token_http_has_a_status(gateway: Gateway, signed: Login) -> None:
    """An HTTP error in place of an answer."""
    gateway.fault(UNB, kind="token_http", status=503)
    status, _text = await signed.call()

    assert status == 503


async def test_token_slow_waits(gateway: Gateway, signed: Login) -> None:
    """The answer is right, but takes its time."""
    gateway.fault(UNB, kind="token_slow", seconds=0.3)
    start = time.monotonic()

    assert (await signed.ret()).startswith("SUCCESS")
    assert time.monotonic() - start >= 0.29


async def test_token_slow_to_a_client_that_left(gateway: Gateway, signed: Login) -> None:
    """Nobody waits for the answer any more: nothing happens."""
    gateway.fault(UNB, kind="token_slow", seconds=0.2)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(signed.call(), 0.1)
    await asyncio.sleep(0.2)

    assert gateway.process.poll() is None


async def test_success_without_token(gateway: Gateway, signed: Login) -> None:
    """SUCCESS, and nothing in it."""
    gateway.fault(UNB, kind="token_without_token")
    _status, text = await signed.call()

    assert like(text, "ok_without_token")


async def test_token_ttl_is_told(gateway: Gateway, signed: Login) -> None:
    """The answer says how long the token lives."""
    gateway.fault(UNB, kind="token_ttl", seconds=90)
    _status, text = await signed.call()

    assert json.loads(text)["data"]["accessTokenExpiredTime"] == "90000"


async def test_faults_of_one_call_join(gateway: Gateway, signed: Login) -> None:
    """A slow answer can be a bad one, too."""
    gateway.fault(UNB, kind="token_slow", seconds=0.2)
    gateway.fault(UNB, kind="risk")
    start = time.monotonic()

    assert (await signed.ret()).startswith("FAIL_SYS_USER_VALIDATE")
    assert time.monotonic() - start >= 0.19
