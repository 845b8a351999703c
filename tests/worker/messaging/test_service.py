"""A worker's messages from the socket to the inbox, to the handler and back, against the built-in gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.rawserver import answer, raw_server, receive, registered
from support.station import FAST_PACE, UNB, Station, read_log, until
from xyfleet.worker.ipc.messages import Reconnect, Redo, Redone, Send, Sent
from xyfleet.worker.messaging import intake
from xyfleet.worker.protocol import im_calls
from xyfleet.worker.reasons import words
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.states import State

TALK = "51000000001"

REPLIES = """
async def answer(message, account):
    if message.text == "坏":
        raise RuntimeError("no")
    return None if message.kind != "text" else f"{account.label}收到{message.text}{message.attempt}"
"""


def rows(folder: Path, columns: str = "id, text, state") -> list[tuple[Any, ...]]:
    """Return what is in the inbox."""
    store = sqlite3.connect(f"file:{folder / 'inbox' / 'a0.db'}?mode=ro", uri=True)
    try:
        return store.execute(f"SELECT {columns} FROM messages ORDER BY row").fetchall()
    finally:
        store.close()


def mail(folder: Path, **more: Any) -> MailSettings:
    """Return settings without waits, with the handler of this module."""
    defaults: dict[str, Any] = {"send_rate": 0.0, "handler_retry_delay": 0.05, "handler_retries": 1, "label": "旗舰店"}
    return MailSettings(file=str(folder / "inbox" / "a0.db"), handler_path=str(folder), **{**defaults, **more})


def with_handler(folder: Path, name: str, source: str = REPLIES, **more: Any) -> MailSettings:
    """Write a handler's module, and return settings that name it."""
    (folder / f"{name}.py").write_text(source)
    return mail(folder, handler=f"{name}:answer", **more)


def own_texts(gateway: Gateway) -> list[str]:
    """Return what this account has sent, as the gateway has it."""
    return [message["text"] for message in gateway.messages(UNB) if message["sender"] == UNB]


async def test_a_push_is_acked_when_it_is_on_disk_and_stored_once(gateway: Gateway, tmp_path: Path) -> None:
    """All items of a frame are stored, a second copy of it is acked and dropped; the report tells how many."""
    async with Station(gateway.endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        done = gateway.push(UNB, *(f"m{n}" for n in range(40)), duplicate=True)
        await until(lambda: gateway.stats(UNB)["acks"] == gateway.stats(UNB)["pushes"])
        stored = rows(tmp_path)
        await until(lambda: station.last.mail.stored == 40)
        figures = station.last.mail

    assert [row[0] for row in stored] == done["ids"]
    assert {row[2] for row in stored} == {"kept"}
    assert (figures.waiting, figures.dead, figures.trouble) == (0, 0, None)
    assert figures.last is not None
    assert abs(figures.last - time.time()) < 10
    assert set(gateway.ask("GET", f"acks?unb={UNB}")["mids"]) >= set(done["mids"])


async def test_signals_are_acked_without_an_inbox(gateway: Gateway, tmp_path: Path) -> None:
    """Typing and session notices are no messages: they are acked, and no file is made for them."""
    async with Station(gateway.endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, items=[{"type": "typing"}])
        await until(lambda: gateway.stats(UNB)["acks"] == gateway.stats(UNB)["pushes"] >= 2)

    assert not (tmp_path / "inbox").exists()


async def test_what_cannot_be_stored_is_not_acked(gateway: Gateway, tmp_path: Path) -> None:
    """Where the inbox can't be, messages stay unacked and the report says why; once it can, they are stored."""
    (tmp_path / "inbox").write_text("in the way")
    async with Station(gateway.endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        await until(lambda: gateway.stats(UNB)["acks"] == 1)  # the session notice
        gateway.push(UNB, "hello")
        await until(lambda: station.last.mail.trouble is not None)
        refused, acks = station.last.mail.trouble, gateway.stats(UNB)["acks"]
        (tmp_path / "inbox").unlink()
        await until(lambda: gateway.stats(UNB)["acks"] == 2)
        await until(lambda: station.last.mail.trouble is None)

    assert acks == 1
    assert refused is not None
    assert "inbox" in str(refused)
    assert [row[1] for row in rows(tmp_path)] == ["hello"]


async def test_handler_answers_and_its_echo_is_not_answered(gateway: Gateway, tmp_path: Path) -> None:
    """A text is answered once, in its conversation; its echo is not answered, nor taken for the owner's."""
    settings = with_handler(tmp_path, "room_good")
    async with Station(gateway.endpoint, tmp_path, mail=settings) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, "一")
        await until(lambda: own_texts(gateway) == ["旗舰店收到一1"])
        gateway.push(UNB, "二")
        await until(lambda: own_texts(gateway) == ["旗舰店收到一1", "旗舰店收到二1"])
        await until(lambda: len(rows(tmp_path)) == 4)

    states = {text: state for _, text, state in rows(tmp_path)}
    assert states == {"一": "done", "二": "done", "旗舰店收到一1": "kept", "旗舰店收到二1": "kept"}
    assert gateway.stats(UNB)["sends"] == 2


async def test_owner_on_the_phone_silences_the_handler(gateway: Gateway, tmp_path: Path) -> None:
    """After an own message that xyfleet did not send, that conversation is left alone, and no other."""
    settings = with_handler(tmp_path, "room_quiet")
    async with Station(gateway.endpoint, tmp_path, mail=settings) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, items=[{"type": "echo", "text": "我来回"}])
        await until(lambda: station.last.mail.stored == 1)
        gateway.push(UNB, "一")
        gateway.push(UNB, items=[{"text": "二", "conversation": "51000000002"}])
        await until(lambda: "旗舰店收到二1" in own_texts(gateway))

    assert own_texts(gateway) == ["我来回", "旗舰店收到二1"]
    assert {text: state for _, text, state in rows(tmp_path)}["一"] == "kept"


async def test_dead_letter_is_handled_again_on_demand(gateway: Gateway, tmp_path: Path) -> None:
    """A handler that raises leaves a dead letter with its reason; asked to, it is called again."""
    settings = with_handler(tmp_path, "room_bad")
    async with Station(gateway.endpoint, tmp_path, mail=settings) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, "坏")
        await until(lambda: station.last.mail.dead == 1)
        ((reason, attempts),) = rows(tmp_path, "reason, attempt")
        station.say(Redo(request=7))
        await until(lambda: any(isinstance(heard, Redone) for heard in station.heard))
        await until(lambda: rows(tmp_path, "attempt, state") == [(4, "failed")])

    assert (reason, attempts) == ("RuntimeError: no", 2)
    assert next(heard for heard in station.heard if isinstance(heard, Redone)) == Redone(request=7, count=1)
    assert read_log(tmp_path, "连接状态变更")[-1]["new"] == "CLOSED"


async def test_send_is_told_twice_queued_and_sent(gateway: Gateway, tmp_path: Path) -> None:
    """A text goes to whoever wrote last; without anybody, or refused by the server, the reason is told."""
    async with Station(gateway.endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        station.say(Send(request=1, conversation=TALK, text="谁"))
        await until(lambda: sent(station, 1))
        gateway.push(UNB, "在吗")
        await until(lambda: station.last.mail.stored == 1)
        station.say(Send(request=2, conversation=TALK, text="在的"))
        await until(lambda: [s.state for s in sent(station, 2)] == ["queued", "sent"])
        gateway.fault(UNB, kind="send_rejected", reason="安全拦截")
        station.say(Send(request=3, conversation="51000000009", text="好", receiver="3300000000009"))
        await until(lambda: [s.state for s in sent(station, 3)] == ["queued", "rejected"])

    assert [s.state for s in sent(station, 1)] == ["refused"]
    assert sent(station, 2)[1].message_id is not None
    assert "安全拦截" in (sent(station, 3)[1].reason or "")
    assert own_texts(gateway) == ["在的"]


def sent(station: Station, request: int) -> list[Sent]:
    """Return what was told about a request to send."""
    return [heard for heard in station.heard if isinstance(heard, Sent) and heard.request == request]


async def test_polite_stop_learns_what_became_of_the_last_message(gateway: Gateway, tmp_path: Path) -> None:
    """A stop right after a send waits for its answer: nothing is left unknown."""
    async with Station(gateway.endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        station.say(Send(request=1, conversation=TALK, text="再见", receiver="3300000000002"))
        await until(lambda: any(s.state == "queued" for s in sent(station, 1)))
        station.cycle.stop(words("now"))
        async with asyncio.timeout(3):
            await station.task

    store = sqlite3.connect(f"file:{tmp_path / 'inbox' / 'a0.db'}?mode=ro", uri=True)
    try:
        ((state,),) = store.execute("SELECT state FROM outbox").fetchall()
    finally:
        store.close()
    assert state in ("sent", "queued")
    assert len(own_texts(gateway)) == (state == "sent")


SLOW = """
import asyncio
async def answer(message, account):
    await asyncio.sleep(0.05)
    return "在的"
"""

BLOCKS = """
import threading
GATE = threading.Event()
async def answer(message, account):
    GATE.wait(10)
"""


async def test_nothing_holds_up_the_end(gateway: Gateway, tmp_path: Path) -> None:
    """A handler that blocks and a disk that another program holds don't keep a worker from leaving in time."""
    settings = with_handler(tmp_path, "room_blocks", BLOCKS)
    pace = msgspec.structs.replace(FAST_PACE, leave_within=0.6, least_for_mail=0.3)
    async with Station(gateway.endpoint, tmp_path, mail=settings, pace=pace) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, "一")
        await until(lambda: station.last.mail.waiting == 1)
        await until(lambda: [row[2] for row in rows(tmp_path)] == ["calling"])
        with contextlib.closing(sqlite3.connect(tmp_path / "inbox" / "a0.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            gateway.push(UNB, "二")
            await asyncio.sleep(0.05)
            began = time.monotonic()
            station.cycle.stop(words("now"))
            await asyncio.wait((station.task,))
        took = time.monotonic() - began
        sys.modules["room_blocks"].GATE.set()

    assert took < 1.0
    assert [row[1:] for row in rows(tmp_path)] == [("一", "calling")]
    assert read_log(tmp_path, "程序错误") == []


async def test_what_waits_for_the_disk_is_bounded(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Big pushes that the disk does not take are refused before they fill the memory, and are found afterwards."""
    monkeypatch.setattr(intake, "MOST_HELD", 500_000)
    (tmp_path / "inbox").write_text("in the way")
    async with Station(gateway.endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        big = ["x" * 20_000] * 8
        for text in big:
            gateway.push(UNB, text)
        await until(lambda: read_log(tmp_path, "消息暂时无法保存，未确认"))
        (tmp_path / "inbox").unlink()
        await until(lambda: 0 < station.last.mail.stored == gateway.stats(UNB)["acks"] - 1)  # the session notice
        stored = station.last.mail.stored
        for count in range(1, 8):
            gateway.push(UNB, big[0])
            await until(lambda: station.last.mail.stored >= stored + count)  # noqa: B023 (it is called at once)

    assert 0 < stored < len(big)


async def test_what_breaks_the_storing_is_not_acked(gateway: Gateway, tmp_path: Path) -> None:
    """A program error costs the ack of that push, is in the log, and ends nothing."""
    async with Station(gateway.endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, "一")
        await until(lambda: gateway.stats(UNB)["acks"] == 2)
        with contextlib.closing(sqlite3.connect(tmp_path / "inbox" / "a0.db")) as other:
            other.execute("ALTER TABLE messages RENAME TO elsewhere")
            gateway.push(UNB, "二")
            await until(lambda: read_log(tmp_path, "程序错误，消息无法保存，未确认"))
            await asyncio.sleep(0.05)
            acks = gateway.stats(UNB)["acks"]
            other.execute("ALTER TABLE elsewhere RENAME TO messages")
        gateway.push(UNB, "三")
        await until(lambda: gateway.stats(UNB)["acks"] == 3)

    assert acks == 2
    assert [row[1] for row in rows(tmp_path)] == ["一", "三"]


async def test_asked_to_reconnect_it_learns_what_became_of_the_last_message(tmp_path: Path) -> None:
    """A new connection is not made in the middle of a send; what waits goes out on it."""
    taken: list[str] = []

    async def slow(connection: ServerConnection) -> None:
        await registered(connection)
        while True:
            frame = await receive(connection)
            if frame.get("lwp") == im_calls.SEND:
                taken.append(frame["body"][0]["uuid"])
                await asyncio.sleep(0.1)
                await answer(connection, frame, {"messageId": f"{len(taken)}.PNM"})
            elif "lwp" in frame:
                await answer(connection, frame)

    async with raw_server(slow) as endpoint, Station(endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        for request, text in enumerate(("一", "二"), 1):
            station.say(Send(request=request, conversation=TALK, text=text, receiver="3300000000002"))
        await until(lambda: taken)
        station.say(Reconnect(why="asked"))
        await station.reach(State.CONNECTED, 2)
        await until(lambda: all(sent(station, request)[-1].state == "sent" for request in (1, 2)))

    assert len(taken) == 2


def chat(number: int, sender: str, text: str) -> dict[str, Any]:
    """Return an item of a push."""
    head = {"1": {"1": f"{sender}@goofish"}, "2": f"{TALK}@goofish", "3": f"{number}.PNM", "7": 2}
    said = {"senderUserId": sender, "reminderContent": text}
    return {"objectType": 40000, "data": {"1": {**head, "5": int(time.time() * 1000), "10": said}}}


def pushing(*items: dict[str, Any]) -> str:
    """Return a push."""
    return json.dumps({"lwp": "/s/sync", "headers": {"mid": "p 0"}, "body": {"syncPushPackage": {"data": items}}})


async def test_an_echo_that_the_server_changed_costs_no_answer(tmp_path: Path) -> None:
    """It comes before the send's answer and looks like the owner's; what waited meanwhile is answered all the same."""
    sends: list[str] = []

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        await connection.send(pushing(*(chat(number, "33", "在吗") for number in (1, 2, 3))))
        while True:
            frame = await receive(connection)
            if frame.get("lwp") == im_calls.SEND:
                sends.append(frame["body"][0]["uuid"])
                await connection.send(pushing(chat(100 + len(sends), UNB, f"[changed {len(sends)}]")))
                await asyncio.sleep(0.2)
                await answer(connection, frame, {"messageId": f"{100 + len(sends)}.PNM"})
            elif "lwp" in frame:
                await answer(connection, frame)

    settings = with_handler(tmp_path, "room_changed", SLOW)
    async with raw_server(script) as endpoint, Station(endpoint, tmp_path, mail=settings) as station:
        await until(lambda: len(sends) == 2)
        await until(lambda: station.last.mail.unsent == 0 and station.last.mail.stored == 5)
        found = rows(tmp_path, "state, reason")[:3]

    assert found[::2] == [("done", None)] * 2


async def test_the_first_batch_is_acked_and_means_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """S8: /s/vulcan, with its session item, is acked and counted; it is no message, and nothing unknown."""
    async with Station(gateway.endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        await until(lambda: gateway.stats(UNB)["acks"] == gateway.stats(UNB)["pushes"] == 1)
        gateway.push(UNB, lwp="/s/vulcan", items=[{"type": "session"}, {"type": "text", "text": "在吗"}])
        await until(lambda: station.last.mail.stored == 1)
        await until(lambda: gateway.stats(UNB)["acks"] == 2)
        figures = station.last.mail

    assert gateway.stats(UNB)["bad_acks"] == 0
    assert figures.strange == {}
    assert [row[1] for row in rows(tmp_path)] == ["在吗"]
