"""Lines of one buyer are one call, late ones are handed over with the failed, and nothing is answered twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec

from support.shop import GATED, Shop, chat
from xyfleet.worker.handlers.base import HandOver

LISTS = """
from xyfleet.handler import HandOver, Reply
SEEN = []
async def answer(message, account):
    SEEN.append((message.text, [each.id for each in message.parts]))
    if message.text == "human":
        return [Reply("soon"), HandOver(5, "asked for")]
    return [message.text, Reply("and more", after=0.5)]
"""
FAILS_ONCE = """
SEEN = []
async def answer(message, account):
    SEEN.append(message.text)
    if len(SEEN) == 1:
        raise OSError("down")
    return "re " + message.text
"""


async def test_lines_become_one_call(tmp_path: Path) -> None:
    """What follows within the time is one message with its parts; others' lines and orders are not among them."""
    async with Shop(tmp_path, LISTS, handler_gather=0.5) as shop:
        await shop.add(chat("1.PNM", text="hello"), chat("2.PNM", text="there?"), chat("x.PNM", talk="c2", text="yo"))
        await asyncio.sleep(0.05)
        await shop.add(chat("3.PNM", text="now"), msgspec.structs.replace(chat("4.PNM"), kind="order", text="paid"))
        states = {row.state for row in (await shop.settled()).values()}

        assert sorted(shop.seen) == [
            ("hello\nthere?\nnow", ["1.PNM", "2.PNM", "3.PNM"]),
            ("paid", []),
            ("yo", []),
        ]
        assert states == {"done"}
        assert [(text, to) for talk, text, to in await shop.outbox() if talk == "c1"][:2] == [
            ("hello\nthere?\nnow", "3.PNM"),
            ("and more", "3.PNM"),
        ]


async def test_lines_without_end(tmp_path: Path) -> None:
    """Who never stops writing is answered after four times the time."""
    async with Shop(tmp_path, LISTS, handler_gather=0.1) as shop:
        for number in range(12):
            await shop.add(chat(f"{number}.PNM", text=str(number)))
            await asyncio.sleep(0.06)
        await shop.settled()

        assert len(shop.seen) >= 2
        assert "\n".join(text for text, _ in shop.seen).split("\n") == [str(number) for number in range(12)]


async def test_a_late_line_joins_the_failed_one(tmp_path: Path) -> None:
    """With gathering, a line that comes while another one waits for its next call goes with it, in order."""
    async with Shop(tmp_path, FAILS_ONCE, handler_gather=0.05, handler_retry_delay=30) as shop:
        await shop.add(chat("1.PNM", text="first"))
        await shop.until(lambda: shop.seen)
        await asyncio.sleep(0.05)
        await shop.add(chat("2.PNM", text="second"))
        rows = await shop.settled()

        assert shop.seen == ["first", "first\nsecond"]
        assert [row.message.attempt for row in rows.values()] == [2, 1]
        assert await shop.outbox() == [("c1", "re first\nsecond", "2.PNM")]


async def test_a_line_passes_a_failed_one(tmp_path: Path) -> None:
    """Without gathering, a line is handed over beside one that waits for its next call."""
    async with Shop(tmp_path, FAILS_ONCE, handler_retry_delay=0.3) as shop:
        await shop.add(chat("1.PNM", text="first"))
        await shop.until(lambda: shop.seen)
        await shop.add(chat("2.PNM", text="second"))
        await shop.settled()

        assert shop.seen == ["first", "second", "first"]


async def test_a_batch_that_a_crash_cut_off(tmp_path: Path) -> None:
    """All its lines are parked, or all are called again, together."""
    first = Shop(tmp_path, GATED)
    first.settings = msgspec.structs.replace(first.settings, handler_gather=0.02, on_unknown="retry")
    first.dispatcher.apply(first.settings)
    first.start()
    await first.add(chat("1.PNM", text="a"), chat("2.PNM", text="b"))
    await first.until(lambda: first.seen)
    assert set((await first.states()).values()) == {"calling"}
    assert first.running is not None
    first.running.cancel()
    await first.inbox.close()  # nothing more reaches the disk
    await asyncio.wait((first.running,))
    first.log.close()

    async with Shop(tmp_path, LISTS, handler_gather=0.02, on_unknown="retry") as second:
        await second.until(lambda: second.seen)
        assert second.seen == [("a\nb", ["1.PNM", "2.PNM"])]


async def test_handed_over(tmp_path: Path) -> None:
    """The answer is sent, the conversation is a person's, and somebody hears of it."""
    async with Shop(tmp_path, LISTS) as shop:
        await shop.add(chat("1.PNM", text="human"))
        await shop.settled()
        await shop.add(chat("2.PNM"))

        assert await shop.states() == {"1.PNM": "done", "2.PNM": "kept"}
        assert [text for _, text, _ in await shop.outbox()] == ["soon"]
        assert shop.handed == [("c1", HandOver(5.0, "asked for"))]


async def test_a_word_that_must_not_go_out(tmp_path: Path) -> None:
    """An answer that leads away from the platform is a dead letter with the word; nothing of it is sent."""
    async with Shop(tmp_path, LISTS) as shop:
        await shop.add(chat("1.PNM", text="加 微 信 吧"), chat("2.PNM", text="AVX2 7K-VX-11", talk="c2"))
        rows = await shop.settled()

        assert rows["1.PNM"].state == "failed"
        assert rows["1.PNM"].reason == "its reply holds '微信' (outgoing_block), and was not sent"
        assert [talk for talk, _, _ in await shop.outbox()] == ["c2", "c2"]


async def test_a_slow_handler_that_fails_now_and_then(tmp_path: Path) -> None:
    """However lines come: each is answered once, in order, and late ones go together."""
    code = """
import asyncio, random
SEEN = []
CHANCE = random.Random(7)
async def answer(message, account):
    await asyncio.sleep(CHANCE.uniform(0, 0.04))
    if CHANCE.random() < 0.3:
        raise OSError("the model is busy")
    SEEN.append((message.conversation, message.text))
    return message.text
"""
    chance = random.Random(3)
    async with Shop(tmp_path, code, handler_gather=0.02, handler_retries=20) as shop:
        for number in range(60):
            talk = f"c{chance.randrange(5)}"
            await shop.add(chat(f"{number}.PNM", talk=talk, text=str(number)))
            await asyncio.sleep(chance.uniform(0, 0.02))
        rows = await shop.settled(30)
        answered = [(talk, text) for talk, text, _ in await shop.outbox()]

        assert {row.state for row in rows.values()} == {"done"}
        assert sorted(answered) == sorted(shop.seen)
        for held in {row.message.conversation for row in rows.values()}:
            lines = "\n".join(text for where, text in answered if where == held).split("\n")
            assert lines == [row.message.text for row in rows.values() if row.message.conversation == held]
        assert len(answered) < 60
