"""Reading what was missed page by page from servers that misbehave in their own ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from support.jobs import Job
from support.maildesk import Desk, now, rounds, tempo
from support.rawserver import Script, answer, raw_server, receive, registered
from xyfleet.worker.protocol import im_calls

NONE = {"userConvs": [], "hasMore": 0, "nextCursor": 0}
SILENT = object()


def lists(*answers: object, asked: list[Any] | None = None) -> Script:
    """Return a server that gives these answers to list calls, the last one from then on."""
    left = list(answers)

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        while True:
            frame = await receive(connection)
            if "listNewest" not in frame.get("lwp", "") and "listUser" not in frame.get("lwp", ""):
                await answer(connection, frame)
                continue
            if asked is not None:
                asked.append(frame["body"])
            said = left.pop(0) if len(left) > 1 else left[0]
            if said is not SILENT:
                await answer(connection, frame, said)

    return script


async def test_no_answer_is_asked_again(tmp_path: Path) -> None:
    """A list call that is not answered counts like flow control."""
    async with raw_server(lists(SILENT, NONE)) as endpoint, Desk(endpoint, tmp_path) as desk:
        await desk.connect()
        await rounds(desk)

        assert (len(desk.calls(im_calls.LIST_TALKS)), desk.turns) == (2, 1)


@pytest.mark.parametrize("answer", [{"userConvs": None}, [], {"reason": "no"}])
async def test_an_answer_without_a_list(tmp_path: Path, answer: object) -> None:
    """It ends the try at once, is named in the log, and the next try comes later."""
    async with raw_server(lists(answer, NONE)) as endpoint, Desk(endpoint, tmp_path) as desk:
        await desk.connect()
        await rounds(desk)

        assert (len(desk.calls(im_calls.LIST_TALKS)), desk.turns) == (2, 2)
        assert "answer 200 without userConvs" in (tmp_path / "a0.log").read_text()


async def test_a_list_that_leads_in_circles(tmp_path: Path) -> None:
    """Pages that don't lead back in time are not followed for ever, and the log says so."""
    talk = {"modifyTime": now(), "singleChatConversation": {"cid": "1@goofish"}}
    talks = {"userConvs": [{"singleChatUserConversation": talk}], "hasMore": 1, "nextCursor": 500}
    model = {"message": {"messageId": "1.PNM", "createAt": now(), "content": {}}}
    messages = {"userMessageModels": [model], "hasMore": 1, "nextCursor": im_calls.NEWEST}
    asked: list[Any] = []
    script = lists(talks, talks, messages, asked=asked)
    async with raw_server(script) as endpoint, Desk(endpoint, tmp_path, since=1) as desk:
        await desk.connect()
        await rounds(desk)

        assert [body[0] for body in asked] == [im_calls.NEWEST, 500, "1@goofish", "1@goofish"]
        assert [row.message.id for row in await desk.rows()] == ["1.PNM"]
        assert (tmp_path / "a0.log").read_text().count("会话列表翻页异常") == 3


def conversation(name: str, modified: int) -> dict[str, Any]:
    """Return a conversation as a listing has it."""
    return {
        "singleChatUserConversation": {"modifyTime": modified, "singleChatConversation": {"cid": f"{name}@goofish"}}
    }


def knows(talks: list[dict[str, Any]], bad: set[str], how: object) -> Script:
    """Return a server that lists these conversations, has a message in each, and answers `how` about the bad ones."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        while True:
            frame = await receive(connection)
            if "listNewest" in frame.get("lwp", ""):
                await answer(connection, frame, {"userConvs": talks, "hasMore": 0})
            elif "listUser" in frame.get("lwp", ""):
                name = frame["body"][0].removesuffix("@goofish")
                model = {"message": {"messageId": f"{name}.PNM", "createAt": now(), "content": {}}}
                if name not in bad:
                    await answer(connection, frame, {"userMessageModels": [model], "hasMore": 0})
                elif how is not SILENT:
                    await answer(connection, frame, how)
            else:
                await answer(connection, frame)

    return script


@pytest.mark.parametrize("how", [{"reason": "no such conversation"}, {"code": "400600001"}])
async def test_a_conversation_that_can_not_be_read(tmp_path: Path, how: object) -> None:
    """It keeps no message of the others away, nor the rounds; what it has is found once it can be read."""
    talks, bad = [conversation(name, now()) for name in ("bad", "good", "fine")], {"bad"}
    quick = tempo(again=0.02, busy_waits=(0.01,))
    async with raw_server(knows(talks, bad, how)) as endpoint, Desk(endpoint, tmp_path, tempo=quick, since=1) as desk:
        desk.catch_up.apply(msgspec.structs.replace(desk.mail, since=1, catch_up_every=0.05))
        await desk.connect()
        await rounds(desk)
        found = {row.message.id for row in await desk.rows()}
        mark = await desk.inbox.do(Job(lambda store: store.meta("caught_up")))
        bad.clear()
        await rounds(desk, 2)
        last = [row.message.id for row in await desk.rows()][-1]

    assert found == {"good.PNM", "fine.PNM"}
    assert mark is None
    assert last == "bad.PNM"
