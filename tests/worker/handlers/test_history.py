"""A handler that asks for the talk so far."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.shop import Shop, chat
from xyfleet.worker.ipc.talks import ReadHistory, TalkAnswer, TalkState
from xyfleet.worker.protocol.message import Message

READS = """
from xyfleet.worker.handlers.api import AskFailed
async def answer(message, account):
    try:
        return " ".join(one.text for one in await account.history(message.conversation, 5))
    except AskFailed as error:
        return f"{error.code}: {error}"
"""
WRONG = """
async def answer(message, account):
    found = []
    for talk, limit in (("", 5), (7, 5), ("a\\nb", 5), ("c", 0), ("c", 201), ("c", "5")):
        try:
            await account.history(talk, limit)
        except ValueError as error:
            found.append(str(error))
    return str(len(found))
"""


async def reply(shop: Shop) -> str:
    """Hand a message over and return what the handler said."""
    async with shop:
        await shop.add(chat("1.PNM", "c"))
        await shop.settled()
        ((_, text, _),) = await shop.outbox()
    return text


async def test_the_talk_so_far(tmp_path: Path) -> None:
    """Its messages are what the platform lists, oldest first."""
    shop = Shop(tmp_path, READS)
    said = [Message(account="a0", id=text, text=text, time="2026-01-02T03:04:05Z") for text in ("你好", "多少钱")]
    shop.told = TalkAnswer(state="done", messages=said)

    assert await reply(shop) == "你好 多少钱"
    assert shop.talked == [ReadHistory("c", 5)]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("offline", "offline: the account is not connected, or its connection ended"),
        ("rejected", "refused: the platform says no: x"),
        ("busy", "busy: the platform asks to wait: x"),
        ("late", "late: the platform did not answer in time"),
        ("fault", "fault: nothing was found out: x"),
    ],
)
async def test_there_is_no_answer(tmp_path: Path, state: TalkState, said: str) -> None:
    """The error has a code for programs and words for people."""
    shop = Shop(tmp_path, READS)
    shop.told = TalkAnswer(state=state, reason="x")

    assert await reply(shop) == said


async def test_what_is_no_question_is_not_asked(tmp_path: Path) -> None:
    """It is the handler's own mistake."""
    shop = Shop(tmp_path, WRONG)

    assert await reply(shop) == "6"
    assert shop.talked == []
