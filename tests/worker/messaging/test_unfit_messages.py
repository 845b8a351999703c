"""Messages at which the program fails while it stores them cost themselves alone: no neighbour, no connection."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.maildesk import Desk, now, rounds, tempo
from support.rawserver import answer, raw_server, receive, registered
from support.station import UNB, Station, read_log, until
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.states import State

AS_IT_CAME = "new.text = '二'"
WITH_ITS_PAYLOAD = "instr(CAST(new.raw AS TEXT), '二') > 0"


def refuse(file: Path, condition: str) -> None:
    """Have SQLite raise what is neither the disk's nor the file's trouble, for rows of a kind."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute(f"CREATE TRIGGER no BEFORE INSERT ON messages WHEN {condition} BEGIN SELECT RAISE(ABORT, 'no'); END")


def rows(file: Path) -> list[tuple[str, str, str]]:
    """Return what is in an inbox."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        return db.execute("SELECT kind, text, state FROM messages ORDER BY row").fetchall()


@pytest.mark.parametrize(
    ("condition", "acks", "second", "says"),
    [
        (AS_IT_CAME, 3, [("unknown", "", "failed")], "程序错误，消息无法照原样保存，已转入死信"),
        (WITH_ITS_PAYLOAD, 2, [], "程序错误，消息无法保存，未确认"),
    ],
)
async def test_a_push_passes_what_can_not_be_stored(
    gateway: Gateway, tmp_path: Path, condition: str, acks: int, second: list[tuple[str, str, str]], says: str
) -> None:
    """Of a push all else is stored; it is acked when the payload is kept; log and status have no text of it."""
    file = tmp_path / "inbox" / "a0.db"
    async with Station(gateway.endpoint, tmp_path, mail=MailSettings(file=str(file))) as station:
        await station.reach(State.CONNECTED)
        gateway.push(UNB, "零")
        await until(lambda: gateway.stats(UNB)["acks"] == 2)
        refuse(file, condition)
        gateway.push(UNB, "一", "二", "三")
        await until(lambda: station.last.mail.stored == 3 + len(second))
        await until(lambda: station.last.mail.strange == {"unstored IntegrityError": 1})
        lines = read_log(tmp_path, says)
        counted = station.last.mail.dead, gateway.stats(UNB)["acks"], len(station.states)

    assert rows(file) == [("text", "零", "kept"), ("text", "一", "kept"), *second, ("text", "三", "kept")]
    assert counted == (len(second), acks, 3)
    assert [(line["error"], line["at"].split(":")[0]) for line in lines] == [("IntegrityError", "message_store.py")]
    assert "<text" in lines[0]["shape"]
    assert "二" not in (tmp_path / "a0.log").read_text("utf-8")


async def test_catching_up_goes_on(tmp_path: Path) -> None:
    """A listed message that can't be kept at all is tried for some rounds; the others of its conversation are found."""

    async def server(connection: ServerConnection) -> None:
        await registered(connection)
        then = now() - 1000
        while True:
            frame = await receive(connection)
            said = [{"message": {"messageId": f"{n}.PNM", "createAt": then + n, "content": {}}} for n in (3, 2, 1)]
            talk = {"modifyTime": then + 3, "singleChatConversation": {"cid": "c@goofish"}}
            talks = {"userConvs": [{"singleChatUserConversation": talk}], "hasMore": 0}
            listed = {"userMessageModels": said, "hasMore": 0}
            body = talks if "listNewest" in frame["lwp"] else listed if "listUser" in frame["lwp"] else {}
            await answer(connection, frame, body)

    async with raw_server(server) as endpoint, Desk(endpoint, tmp_path, tempo=tempo(rounds=2), since=1) as desk:
        await desk.rows()
        refuse(tmp_path / "inbox" / "a0.db", "new.id = '2.PNM'")
        await desk.connect()
        await rounds(desk, 1)
        found = [row.message.id for row in await desk.rows()]
        desk.catch_up.refused()
        await rounds(desk, 2)

    assert found == ["1.PNM", "3.PNM"]
    assert len(read_log(tmp_path, "会话始终无法读取，有新变化前不再补收")) == 1
