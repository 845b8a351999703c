"""A machine whose clock is wrong, or jumps: messages go by the server's time, and no connection is given up."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.gateway import Gateway
from support.shop import write_handler
from support.station import FAST, FAST_PACE, UNB, OneSession, Station, end_of, read_log, until
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import CatchUpRequest, CatchUpTurn
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.states import State

SLOW = msgspec.structs.replace(FAST, heartbeat_interval=5.0, heartbeat_timeout=10.0)


def with_handler(folder: Path, **more: Any) -> MailSettings:
    """Return the settings of an account whose handler answers every text."""
    spec = write_handler(folder, "async def answer(message, account):\n    return '收到' + message.text\n")
    file = str(folder / "inbox" / "a0.db")
    return MailSettings(file=file, handler=spec, handler_path=str(folder), send_rate=0.0, **more)


def states(folder: Path, text: str) -> list[str]:
    """Return the states of the messages of a text."""
    store = sqlite3.connect(f"file:{folder / 'inbox' / 'a0.db'}?mode=ro", uri=True)
    try:
        return [row[0] for row in store.execute("SELECT state FROM messages WHERE text = ? ORDER BY row", (text,))]
    finally:
        store.close()


def replies(gateway: Gateway) -> list[str]:
    """Return what this account has sent, as the gateway has it."""
    return [message["text"] for message in gateway.messages(UNB) if message["sender"] == UNB]


def clock(gateway: Gateway, seconds: float) -> None:
    """Have the gateway's clock differ from ours."""
    gateway.fault(kind="clock", seconds=seconds)


@pytest.mark.parametrize("seconds", [-1200, 1200])
async def test_fresh_messages_reach_the_handler(gateway: Gateway, tmp_path: Path, seconds: int) -> None:
    """Ages are measured by the server's clock: ours may be ahead by more than `reply_max_age` (M13, X10)."""
    clock(gateway, seconds)
    async with Station(gateway.endpoint, tmp_path, mail=with_handler(tmp_path, reply_max_age=60.0)) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, "在吗")
        await until(lambda: replies(gateway) == ["收到在吗"])
        gateway.push(UNB, items=[{"text": "旧的", "time": int((time.time() + seconds - 90) * 1000)}])
        gateway.push(UNB, "新的")
        await until(lambda: len(replies(gateway)) == 2)

        assert states(tmp_path, "旧的") == ["kept"]


async def test_a_takeover_is_noticed(gateway: Gateway, tmp_path: Path) -> None:
    """What the owner typed a moment ago silences the handler, however wrong our clock is (M13)."""
    clock(gateway, -1200)
    async with Station(gateway.endpoint, tmp_path, mail=with_handler(tmp_path)) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, items=[{"type": "echo", "text": "我来回复"}])
        gateway.push(UNB, "在吗")
        await until(lambda: station.last.mail.stored == 2)

        assert states(tmp_path, "在吗") == ["kept"]


async def test_missed_messages_of_a_new_account_are_fetched(gateway: Gateway, tmp_path: Path) -> None:
    """Where an account's time with xyfleet began was noted by our clock, and is compared by the server's (X10)."""
    clock(gateway, -1200)
    settings = MailSettings(file=str(tmp_path / "inbox" / "a0.db"), since=int(time.time() * 1000))
    async with Station(gateway.endpoint, tmp_path, mail=settings) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, "漏收", deliver=False)
        await until(lambda: any(isinstance(message, CatchUpRequest) for message in station.heard))
        station.say(CatchUpTurn())
        await until(lambda: station.last.mail.recovered == 1, timeout=15)


async def test_a_wrong_clock_is_said(gateway: Gateway, tmp_path: Path) -> None:
    """Reports carry how far ahead our clock is, and the log says it once; then that it is right again."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(State.CONNECTED)
        await until(lambda: station.last.clock == 0.0)
        clock(gateway, 1200)
        gateway.push(UNB, "一")
        gateway.push(UNB, "二")
        gateway.push(UNB, "三")
        await until(lambda: station.last.clock)
        assert abs((station.last.clock or 0) + 1200) < 5
        gateway.clear()
        for text in "四五六":
            gateway.push(UNB, text)
        await until(lambda: station.last.clock == 0.0)

    assert len(read_log(tmp_path, "本机时钟与服务器时间不一致")) == 1
    assert len(read_log(tmp_path, "本机时钟已与服务器时间一致")) == 1


async def test_a_jump_of_the_wall_clock_drops_nobody(gateway: Gateway, tmp_path: Path) -> None:
    """It has the connection prove itself by a beat at once; the beat is no failure and belongs to the figures."""
    always = msgspec.structs.replace(FAST_PACE, jumped_after=-1.0)
    async with Station(gateway.endpoint, tmp_path, SLOW, pace=always, report_interval=0.1) as station:
        await until(lambda: station.last.window.answered >= 4)
        window = station.last.window

    assert station.states.count(State.CONNECTED) == 1
    assert window.due >= window.sent
    assert read_log(tmp_path, "系统时钟跳变，立即发送心跳")


async def test_a_connection_that_cannot_prove_itself(gateway: Gateway, tmp_path: Path) -> None:
    """The beat sent at once has a deadline of its own, before that of the beats."""
    gateway.fault(kind="mute")
    one = OneSession(gateway.endpoint, tmp_path, SLOW)
    began = time.monotonic()
    task = asyncio.create_task(end_of(one))
    await until(lambda: gateway.stats()["beats"] == 1)
    one.session.prove(0.2)
    lost = await task

    assert lost.cause is Cause.HEARTBEAT
    assert time.monotonic() - began < 3
    assert gateway.stats()["beats"] == 2
