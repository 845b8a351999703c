"""The gateway's memory: pushes and their acks, two connections of one account, figures."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from support.gateway import Gateway, GatewayError
from support.imclient import OTHER, UNB, Client, Login, connected, dial


@pytest.fixture
def gateway(fresh_gateway: Gateway) -> Gateway:
    """Use the gateway that serves the whole run."""
    return fresh_gateway


@pytest.fixture(scope="module")
def hasty_process() -> Iterator[Gateway]:
    """One that repeats unacked pushes soon."""
    with Gateway("--repush", "0.1") as running:
        yield running


@pytest.fixture
def hasty(hasty_process: Gateway) -> Gateway:
    """The same, as new."""
    hasty_process.reset()
    return hasty_process


def ids(push: dict[str, Any]) -> list[str]:
    """Return the message ids of a push of chat messages."""
    return [
        msgspec.msgpack.decode(base64.b64decode(item["data"]))[1][3] for item in push["body"]["syncPushPackage"]["data"]
    ]


async def settled(client: Client) -> None:
    """Return when the gateway has read everything sent so far."""
    await client.call("/!")


# Pushes and acks.


async def test_push_arrives_and_its_ack_counts(gateway: Gateway) -> None:
    """The ids returned are those in the frame; the ack is counted."""
    async with connected(gateway) as client:
        pushed = gateway.push(UNB, "one", "two")
        push = await client.push()
        before = gateway.stats(UNB)["acks"]
        await client.ack(push)
        await settled(client)

        assert [push["headers"]["mid"]] == pushed["mids"]
        assert ids(push) == pushed["ids"]
        assert gateway.stats(UNB)["acks"] == before + 1
        found = gateway.ask("GET", f"acks?unb={UNB}")
        assert found["mids"][-1:] == pushed["mids"]
        assert len(found["ms"]) == len(found["mids"])
        assert 0 < found["ms"][-1] < 15_000


@pytest.mark.parametrize("wrong", [{"sid": "x"}, {"ua": "x"}, {"app-key": None}])
async def test_ack_must_copy_the_headers(gateway: Gateway, wrong: dict[str, Any]) -> None:
    """An ack with a wrong or missing header is none, and counted as bad."""
    async with connected(gateway) as client:
        gateway.push(UNB, "one")
        push = await client.push()
        before = gateway.stats(UNB)["acks"]
        push["headers"] = {name: value for name, value in {**push["headers"], **wrong}.items() if value is not None}
        await client.ack(push)
        await settled(client)

        assert (gateway.stats(UNB)["acks"], gateway.stats(UNB)["bad_acks"]) == (before, 1)


async def test_ack_of_nothing_counts_nothing(gateway: Gateway) -> None:
    """Acks of foreign mids, and second acks, are ignored."""
    async with connected(gateway) as client:
        before = gateway.stats(UNB)["acks"]
        gateway.push(UNB, "one")
        push = await client.push()
        await client.ack(push)
        await client.ack(push)
        await client.ack({"headers": {"mid": "ffffffff 0"}})
        await settled(client)

        assert (gateway.stats(UNB)["acks"], gateway.stats(UNB)["bad_acks"]) == (before + 1, 0)


async def test_unacked_push_comes_again_as_it_was(hasty: Gateway) -> None:
    """The same mid, the same items; after the ack no more."""
    async with connected(hasty) as client:
        hasty.push(UNB, "one")
        first, second = await client.push(), await client.push()
        await client.ack(second)

        assert first == second
        assert await client.silent(0.3)
        assert hasty.stats(UNB)["repushes"] >= 1


async def test_push_never_acked_ends_the_connection(hasty: Gateway) -> None:
    """After five sendings the gateway hangs up, without a close frame."""
    async with connected(hasty) as client:
        hasty.push(UNB, "one")

        assert await client.closed() == 1006
    assert hasty.stats(UNB)["repushes"] == 4


async def test_long_pushes_are_cut_into_frames(gateway: Gateway) -> None:
    """At most 32 items a frame, or as many as asked for."""
    async with connected(gateway) as client:
        gateway.push(UNB, *(f"m{number}" for number in range(40)))
        sizes = [len(ids(await client.push())) for _ in range(2)]
        gateway.push(UNB, "a", "b", per_frame=1)
        sizes += [len(ids(await client.push())) for _ in range(2)]

    assert sizes == [32, 8, 1, 1]


async def test_duplicates_have_other_mids(gateway: Gateway) -> None:
    """The same message twice, under two mids."""
    async with connected(gateway) as client:
        pushed = gateway.push(UNB, "one", duplicate=True)
        first, second = await client.push(), await client.push()

    assert ids(first) == ids(second) == pushed["ids"]
    assert first["headers"]["mid"] != second["headers"]["mid"]


async def test_push_can_carry_a_code(gateway: Gateway) -> None:
    """Some captured pushes have `code: 0` beside `lwp`."""
    async with connected(gateway) as client:
        gateway.push(UNB, "one", code=0)

        assert (await client.push())["code"] == 0


async def test_items_of_all_types_can_be_mixed(gateway: Gateway) -> None:
    """A receipt first, a bad item, a chat message: one frame."""
    async with connected(gateway) as client:
        gateway.push(UNB, "chat", items=[{"type": "receipt"}, {"type": "bad"}])
        push = await client.push()

    assert [item["objectType"] for item in push["body"]["syncPushPackage"]["data"]] == [40103, 40000, 40000]


async def test_push_to_nobody_is_only_kept(gateway: Gateway) -> None:
    """An account that is away gets nothing; its messages can be listed later."""
    pushed = gateway.push(UNB, "one")

    assert pushed["mids"] == []
    assert [message["id"] for message in gateway.messages(UNB)] == pushed["ids"]


async def test_nothing_is_pushed_again_after_a_reconnect(hasty: Gateway) -> None:
    """What was not acked on the old connection is found by listing only."""
    async with connected(hasty) as client:
        hasty.push(UNB, "one")
        await client.push()
    async with connected(hasty) as client:
        assert await client.silent(0.3)


async def test_push_request_is_checked(gateway: Gateway) -> None:
    """Unknown types and keys are refused with the reason."""
    for wrong in ({"items": [{"type": "x"}]}, {"wrong": 1}, {"items": [{"txt": "x"}]}):
        with pytest.raises(GatewayError, match="400"):
            gateway.push(UNB, **wrong)


# Two connections of one account.


async def test_second_registration_kicks_the_first_out(gateway: Gateway) -> None:
    """The older one is told, and closed; the overlap is counted."""
    token = await Login(gateway).token()
    async with connected(gateway, token=token) as older, connected(gateway, token=token) as newer:
        kick = await older.push("/push/kickout")

        assert await older.closed() == 1000
        assert (await newer.call("/!"))["code"] == 200
        assert set(kick) == {"lwp", "headers"}
    figures = gateway.stats(UNB)
    assert (figures["overlaps"], figures["max_live"], figures["kicks"]) == (1, 2, 1)


async def test_reconnect_after_an_abort_is_no_overlap(gateway: Gateway) -> None:
    """A client that aborts and dials again at once never had two live connections."""
    token = await Login(gateway).token()
    for _round in range(20):
        async with connected(gateway, token=token) as client:
            client.socket.transport.abort()
    figures = gateway.stats(UNB)

    assert (figures["regs_ok"], figures["overlaps"], figures["max_live"], figures["kicks"]) == (20, 0, 1, 0)


async def test_registering_again_on_the_same_socket_is_no_overlap(gateway: Gateway) -> None:
    """Two `/reg` on one connection are still one connection."""
    token = await Login(gateway).token()
    async with connected(gateway, token=token) as client:
        assert (await client.reg(token))["code"] == 200
        assert (gateway.stats(UNB)["live"], gateway.stats(UNB)["overlaps"]) == (1, 0)


# Figures.


async def test_figures_follow_a_connection(gateway: Gateway) -> None:
    """Dials, registrations, live and open sockets, and how it ended."""
    started = time.monotonic()
    async with connected(gateway):
        live = gateway.stats(UNB)
    await asyncio.to_thread(gateway.until, lambda: not gateway.stats(UNB)["sockets"], "the socket is gone")
    gone = gateway.stats(UNB)

    assert (live["live"], live["sockets"], live["dials"], live["regs"], live["regs_ok"]) == (1, 1, 1, 1, 1)
    assert (gone["live"], gone["max_live"], gone["closes"]) == (0, 1, {"1000": 1})
    assert started <= gone["dial_times"][0] <= time.monotonic()


async def test_end_without_close_frame_is_counted_as_none(gateway: Gateway) -> None:
    """An aborted connection said no goodbye."""
    async with connected(gateway) as client:
        client.socket.transport.abort()
    await asyncio.to_thread(gateway.until, lambda: gateway.stats(UNB)["closes"], "the end is counted")

    assert gateway.stats(UNB)["closes"] == {"none": 1}


async def test_sockets_without_a_name_are_in_the_totals(gateway: Gateway) -> None:
    """A dial that never registers belongs to nobody, while it lasts and afterwards."""
    async with dial(gateway):
        during = gateway.stats()
    await asyncio.to_thread(gateway.until, lambda: not gateway.stats()["sockets"], "the socket is gone")
    after = gateway.stats()

    assert (during["sockets"], during["dials"], len(during["dial_times"])) == (1, 1, 1)
    assert (after["dials"], after["closes"]) == (1, {"1000": 1})


async def test_totals_add_accounts_up(gateway: Gateway) -> None:
    """Two accounts, each with its own figures, and their sum."""
    async with connected(gateway), connected(gateway, OTHER):
        assert (gateway.stats(UNB)["live"], gateway.stats(OTHER)["live"], gateway.stats()["live"]) == (1, 1, 2)
        assert set(gateway.all_stats()) == {UNB, OTHER}


def test_unknown_account_has_zeros(gateway: Gateway) -> None:
    """Asking for an account that never came is no error."""
    assert gateway.stats("1")["dials"] == 0
    assert gateway.stats("1")["dial_times"] == []


async def test_reset_forgets_everything(gateway: Gateway) -> None:
    """Connections end, faults are lifted, figures are zero."""
    gateway.fault(kind="mute")
    async with connected(gateway) as client:
        gateway.reset()

        assert await client.closed() == 1006
    assert gateway.all_stats() == {}
    assert gateway.ask("GET", "faults") == {"faults": []}
