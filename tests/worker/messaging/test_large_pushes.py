"""Large pushes: they are taken in piece by piece, in order, and the loop keeps its time."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection

from support.pushes import ME, chat, frame_body, item, packed
from support.rawserver import raw_server, registered, serve_on
from support.station import Station, until
from xyfleet.worker.messaging.intake import AT_ONCE
from xyfleet.worker.protocol.items import MOST_ITEMS, each_pushed
from xyfleet.worker.settings import MailSettings


def ids(folder: Path) -> list[str]:
    """Return the ids in the inbox, in the order in which they were stored."""
    store = sqlite3.connect(f"file:{folder / 'inbox' / 'a0.db'}?mode=ro", uri=True)
    try:
        return [row[0] for row in store.execute("SELECT id FROM messages ORDER BY row")]
    finally:
        store.close()


def mail(folder: Path) -> MailSettings:
    """Return the inbox's settings."""
    return MailSettings(file=str(folder / "inbox" / "a0.db"))


def push(mid: int, *numbers: int, text: str = "在吗") -> str:
    """Return a frame that brings these messages."""
    body = json.loads(frame_body(*(item(packed(said(n, text))) for n in numbers)))
    return json.dumps({"lwp": "/s/sync", "headers": {"mid": f"{mid} 0"}, "body": body})


def said(number: int, text: str) -> dict[str, Any]:
    """Return a message with this text."""
    payload = chat(_3=f"{number}.PNM")
    payload["1"]["6"]["3"]["5"] = json.dumps({"contentType": 1, "text": {"text": text}}, ensure_ascii=False)
    payload["1"]["10"]["reminderContent"] = text
    return payload


LARGE = push(1, *range(32), text="字" * 18_000)


async def test_a_large_push_keeps_its_place(tmp_path: Path) -> None:
    """What comes behind a push that is decoded in pieces is stored behind it; both are acked (B13)."""
    frames: list[dict[str, Any]] = []
    assert len(LARGE) > AT_ONCE

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        await connection.send(LARGE)
        await connection.send(push(2, 32))
        await serve_on(connection, frames)

    async with raw_server(script) as endpoint, Station(endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await until(lambda: station.last.mail.stored == 33)
        await until(lambda: [f["headers"]["mid"] for f in frames if f.get("code") == 200] == ["1 0", "2 0"])

    assert ids(tmp_path) == [f"{n}.PNM" for n in range(33)]


def test_no_step_of_a_large_push_is_long() -> None:
    """A step of its decoding is one item: of 4 MiB in 32 items a small part of what all take together (B13)."""
    body = LARGE.encode().partition(b'"body": ')[2][:-1]
    steps, before = [], time.process_time()
    for _ in each_pushed(body, ME):
        now = time.process_time()
        steps.append(now - before)
        before = now

    assert len(steps) == 32
    assert sorted(steps)[-2] < sum(steps) / 4


async def test_what_is_beyond_the_bounds_is_looked_for(tmp_path: Path) -> None:
    """Of a push with too many items those that are read are stored, and the others are looked for (B13)."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        await connection.send(push(1, *range(MOST_ITEMS + 5)))
        await serve_on(connection)

    async with raw_server(script) as endpoint, Station(endpoint, tmp_path, mail=mail(tmp_path)) as station:
        await until(lambda: station.last.mail.stored == MOST_ITEMS + 1)

    assert ids(tmp_path)[:MOST_ITEMS] == [f"{n}.PNM" for n in range(MOST_ITEMS)]
    assert "推送内容过多" in (tmp_path / "a0.log").read_text("utf-8")
