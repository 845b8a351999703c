"""How the gateway answers registrations, and how each fault spoils that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.gateway import Gateway
from support.imclient import OTHER, UNB, Login, connected, device_id, dial


async def test_reg_answers_and_pushes_the_first_batch(gateway: Gateway) -> None:
    """The captured answer's fields, then /s/vulcan of type 3."""
    async with dial(gateway) as client:
        answer = await client.reg(await Login(gateway).token())
        first = await client.push("/s/vulcan")

    assert answer["headers"]["reg-uid"] == f"{UNB}@goofish"
    assert answer["headers"]["reg-sid"] == answer["headers"]["sid"] == first["headers"]["sid"]
    assert answer["body"]["unitName"] == "PNM"
    assert first["body"]["syncExtraType"] == {"type": 3}


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"token": "made-up"}, "invalid token"),
        ({"app-key": "x"}, "device id or appkey is not equal"),
        ({"did": device_id(UNB).replace("673B", "673C")}, "device id or appkey is not equal"),
        ({"did": device_id(OTHER)}, "device id or appkey is not equal"),
        ({"wv": None}, "missing header wv"),
    ],
)
async def test_reg_is_checked(gateway: Gateway, headers: dict[str, Any], reason: str) -> None:
    """A wrong token, device id or app key, and missing headers, are told apart."""
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        answer = await client.reg(headers.get("token", token), **{k: v for k, v in headers.items() if k != "token"})

    assert (answer["code"], answer["body"]["reason"]) == (401, reason)
    assert gateway.stats(UNB)["regs_ok"] == 0
    assert gateway.stats(UNB)["regs"] == 1


async def test_reg_without_a_readable_name_is_refused(gateway: Gateway) -> None:
    """Neither token nor device id say who it is: counted for nobody."""
    async with dial(gateway) as client:
        answer = await client.reg("made-up", did="x")

    assert (answer["code"], answer["body"]["reason"]) == (401, "invalid token")
    assert gateway.stats()["regs"] == 1


async def test_reg_after_a_refusal_works_on_the_same_socket(gateway: Gateway) -> None:
    """A new token can be tried at once."""
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        assert (await client.reg("sim-1"))["code"] == 401
        assert (await client.reg(token))["code"] == 200
    assert gateway.stats(UNB)["dials"] == 1


async def test_expired_token_is_refused(gateway: Gateway) -> None:
    """`token_ttl` makes short-lived tokens."""
    gateway.fault(kind="token_ttl", seconds=0.05)
    token = await Login(gateway).token()
    await asyncio.sleep(0.1)
    async with dial(gateway) as client:
        answer = await client.reg(token)

    assert (answer["code"], answer["body"]["reason"]) == (401, "invalid token")


async def test_never_reg_is_silent(gateway: Gateway) -> None:
    """No answer, and not registered."""
    gateway.fault(UNB, kind="never_reg")
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        await client.send_reg(token)

        assert await client.silent(0.2)
    figures = gateway.stats(UNB)
    assert (figures["regs"], figures["live"], figures["max_live"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("kind", "settings", "code", "reason"),
    [
        ("reg_401", {}, 401, "invalid token"),
        ("reg_401", {"reason": "not auth"}, 401, "not auth"),
        ("reg_limit", {}, 400, "connect limit"),
        ("reg_limit", {"reason": "too many", "code": 429}, 429, "too many"),
        ("reg_other", {}, 500, "system is error"),
    ],
)
async def test_reg_can_be_refused(
    gateway: Gateway, kind: str, settings: dict[str, Any], code: int, reason: str
) -> None:
    """Code and text are the fault's."""
    gateway.fault(UNB, kind=kind, **settings)
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        answer = await client.reg(token)

    assert (answer["code"], answer["body"]["reason"]) == (code, reason)


async def test_refusal_s_text_can_stand_elsewhere(gateway: Gateway) -> None:
    """In the headers, under another name."""
    gateway.fault(UNB, kind="reg_401", field="message", where="headers")
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        answer = await client.reg(token)

    assert answer["headers"]["message"] == "invalid token"


async def test_refusal_can_close(gateway: Gateway) -> None:
    """401, then a close frame."""
    gateway.fault(UNB, kind="reg_401", close=1000)
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        assert (await client.reg(token))["code"] == 401
        assert await client.closed() == 1000


async def test_reg_401_once_spares_newer_tokens(gateway: Gateway) -> None:
    """The tokens issued so far are void; a new one is good."""
    login = Login(gateway)
    old = await login.token()
    gateway.fault(UNB, kind="reg_401", once=True)
    new = await login.token()
    async with dial(gateway) as client:
        assert [(await client.reg(token))["code"] for token in (old, old, new)] == [401, 401, 200]


async def test_push_before_reg_comes_first(gateway: Gateway) -> None:
    """The push's frame arrives before the answer to /reg, and can be acked."""
    gateway.fault(UNB, kind="push_before_reg")
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        mid = await client.send_reg(token)
        push = await client.receive()
        await client.ack(push)
        answer = await client.receive()

        assert push["lwp"] == "/s/sync"
        assert answer["headers"]["mid"] == mid
        await client.call("/!")
    assert gateway.stats(UNB)["acks"] >= 1


async def test_tokens_survive_the_gateway(gateway: Gateway) -> None:
    """A token on a client's disk is good at the next gateway, too."""
    token = await Login(gateway).token()
    with Gateway() as second:
        async with connected(second, token=token) as client:
            assert (await client.call("/!"))["code"] == 200
        assert second.stats(UNB)["token_calls"] == 0
