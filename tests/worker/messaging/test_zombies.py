"""What follows when a connection proves to bring no messages: the mildest cure first, and never one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.imclient import UNB
from support.maildesk import Desk, rounds, tempo
from support.rawserver import Script, answer, raw_server, receive, registered
from support.station import Station
from support.stores import NOW, add, incoming, stands
from xyfleet.worker.ipc.messages import CatchUpTurn
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.states import State
from xyfleet.worker.storage.message_store import MessageStore

UNPUSHED = tempo(push_within=0.0)


@pytest.fixture
def gateway(fresh_gateway: Gateway) -> Iterator[Gateway]:
    """Give the run's gateway, as new."""
    yield fresh_gateway
    fresh_gateway.reset()


async def silent_connection(desk: Desk, gateway: Gateway) -> None:
    """Have a connection on which a text is listed and never pushed."""
    await desk.disconnect()
    done = desk.catch_up.rounds
    await desk.connect()
    await rounds(desk, done + 1)
    gateway.push(UNB, "在吗", deliver=False)
    await asyncio.sleep(0.01)
    desk.catch_up.apply(msgspec.structs.replace(desk.mail, catch_up_every=0.02))
    await rounds(desk, done + 3)
    desk.catch_up.apply(desk.mail)


async def test_first_another_connection_then_a_new_token_then_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """M1: a token call is spent only when a second connection proves the same, and none after that."""
    async with Desk(gateway, tmp_path, tempo=UNPUSHED) as desk:
        seen = []
        for _ in range(4):
            await silent_connection(desk, gateway)
            seen.append((len(desk.zombies), desk.new_tokens))

    assert seen == [(1, 0), (2, 1), (2, 1), (2, 1)]


async def test_a_push_ends_the_row(gateway: Gateway, tmp_path: Path) -> None:
    """M1: after something was pushed, the next verdict is a first one again."""
    async with Desk(gateway, tmp_path, tempo=UNPUSHED) as desk:
        for _ in range(2):
            await silent_connection(desk, gateway)
        before = (len(desk.zombies), desk.new_tokens)
        await desk.disconnect()
        await desk.connect()
        gateway.push(UNB, "pushed")
        await desk.until(lambda: any(one == "pushed" for one in [m["text"] for m in gateway.messages(UNB)]), "pushed")
        await desk.until(lambda: gateway.stats(UNB)["acks"] == gateway.stats(UNB)["pushes"], "acked")
        await silent_connection(desk, gateway)

        assert (before, len(desk.zombies), desk.new_tokens) == ((2, 1), 3, 1)


async def test_what_the_server_will_not_push_proves_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """M3: what it said that it will not push is listed at once, and is no proof; what comes later is."""
    async with Desk(gateway, tmp_path, tempo=UNPUSHED) as desk:
        await desk.connect()
        await rounds(desk)
        gateway.push(UNB, "one", deliver=False)
        await asyncio.sleep(0.01)
        desk.catch_up.missed()
        await rounds(desk, 2)
        found, verdicts = [row.message.text for row in desk.found], len(desk.zombies)

    assert (found, verdicts) == (["one"], 0)


def lists(asked: list[str], push: asyncio.Event) -> Script:
    """Return a server that counts listings, and pushes when told that not all will be pushed."""

    async def pushes(connection: ServerConnection) -> None:
        await push.wait()
        body = {"syncExtraType": {"type": 1}, "syncPushPackage": {"data": []}}
        await connection.send(json.dumps({"lwp": "/s/sync", "headers": {"mid": "77 0"}, "body": body}))

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pushes(connection))
            while True:
                frame = await receive(connection)
                if "listNewest" in frame.get("lwp", ""):
                    asked.append(frame["lwp"])
                    await answer(connection, frame, {"userConvs": [], "hasMore": 0})
                else:
                    await answer(connection, frame)

    return script


async def test_a_push_that_is_not_all_is_looked_after(tmp_path: Path) -> None:
    """M3: on a connection that goes on, a push that says so is followed by a listing, not by half an hour."""
    asked: list[str] = []
    push = asyncio.Event()
    mail = MailSettings(file=str(tmp_path / "inbox" / "a0.db"), since=1)
    async with raw_server(lists(asked, push)) as endpoint, Station(endpoint, tmp_path, mail=mail) as station:
        station.answer = lambda request: None
        await station.reach(State.CONNECTED)
        async with asyncio.timeout(10):
            while not asked:
                await answer_turns(station)
        push.set()
        async with asyncio.timeout(10):
            while len(asked) < 2:
                await answer_turns(station)

    assert len(asked) == 2


async def answer_turns(station: Station) -> None:
    """Grant every turn that is asked for."""
    station.say(CatchUpTurn())
    await asyncio.sleep(0.02)


def test_our_own_letter_is_never_a_buyers(store: MessageStore) -> None:
    """M2: a listing that does not say who wrote it brings back what we sent: it is our own, and for no handler."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "-1", 0)
    store.settle(1, "sent", "9.PNM", None, NOW)
    rows = add(store, incoming("9.PNM", sender=None, text="x"), recovered=True)

    assert [(row.message.own, row.state) for row in rows] == [(True, "kept")]


@pytest.mark.parametrize(("kind", "state"), [("text", "kept"), ("image", "kept"), ("order", "waiting")])
def test_what_nobody_is_known_to_have_said(store: MessageStore, kind: str, state: str) -> None:
    """M2: a listed talk without a sender may be our own, and is left alone; an order notice never has one."""
    add(store, incoming("9.PNM", sender=None, kind=kind), recovered=True)
    add(store, incoming("10.PNM", sender=None, kind="text"))

    assert stands(store)[0] == state
    assert stands(store, 2)[0] == "waiting"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MessageStore]:
    """Give a new store."""
    with contextlib.closing(MessageStore(str(tmp_path / "inbox" / "a.db"), "a")) as made:
        yield made
