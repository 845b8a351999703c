"""From the inbox to the handler and into the outbox: order, limits, retries, dead letters."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.jobs import Job
from support.shop import ECHO, GATED, RAISES, SLOW, Shop, chat, clean_imports, open_gate

pytestmark = pytest.mark.pythons


@pytest.fixture(autouse=True)
def _imports(tmp_path: Path) -> Iterator[None]:
    with clean_imports(tmp_path):
        yield


async def test_reply(tmp_path: Path) -> None:
    """A message is handed over with its attempt, and what the handler returns is in the outbox, as its answer."""
    async with Shop(tmp_path, ECHO) as shop:
        await shop.add(chat("1.PNM"))
        rows = await shop.settled()

        assert (rows["1.PNM"].state, rows["1.PNM"].message.attempt) == ("done", 1)
        assert shop.seen == [("1.PNM", 1)]
        assert await shop.outbox() == [("c1", "a0 旗舰店: 在吗", "1.PNM")]
        assert shop.replies == 1


@pytest.mark.parametrize("nothing", ["None", "''"])
async def test_no_reply(tmp_path: Path, nothing: str) -> None:
    """None and an empty text are no answer: the message is done."""
    async with Shop(tmp_path, f"async def answer(message, account): return {nothing}") as shop:
        await shop.add(chat("1.PNM"))

        assert (await shop.settled())["1.PNM"].state == "done"
        assert await shop.outbox() == []
        assert shop.replies == 0


async def test_not_for_a_handler(tmp_path: Path) -> None:
    """Own messages and kinds that nobody answers never come to the handler."""
    receipt = msgspec.structs.replace(chat("receipt:1", talk="c2"), kind="receipt")
    async with Shop(tmp_path, ECHO) as shop:
        await shop.add(chat("1.PNM", own=True), receipt, chat("3.PNM", talk="c3"))
        rows = await shop.settled()

        assert [row.state for row in rows.values()] == ["kept", "kept", "done"]
        assert shop.seen == [("3.PNM", 1)]


async def test_order_and_limit(tmp_path: Path) -> None:
    """One call at a time for a conversation, in order; as many side by side as the limit says, and no more."""
    sent = [chat(f"{number}.PNM", talk=f"c{number % 7}") for number in range(70)]
    async with Shop(tmp_path, SLOW, handler_concurrency=3) as shop:
        for start in range(0, 70, 10):
            await shop.add(*sent[start : start + 10])
        rows = await shop.settled()
        assert {row.state for row in rows.values()} == {"done"}
        for talk in range(7):
            of_talk = [id_ for id_ in shop.seen if int(id_[:-4]) % 7 == talk]
            assert of_talk == [f"{number}.PNM" for number in range(talk, 70, 7)]
        assert sys.modules[shop.module].most == 3


async def test_new_limit(tmp_path: Path) -> None:
    """A higher limit takes effect at once."""
    async with Shop(tmp_path, GATED, handler_concurrency=1) as shop:
        await shop.add(chat("1.PNM", talk="c1"), chat("2.PNM", talk="c2"), chat("3.PNM", talk="c3"))
        await shop.until(lambda: len(shop.seen) == 1)
        shop.dispatcher.apply(msgspec.structs.replace(shop.settings, handler_concurrency=2))
        await shop.until(lambda: len(shop.seen) == 2)
        await asyncio.sleep(0.03)

        assert len(shop.seen) == 2
        open_gate(shop)
        await shop.settled()


async def test_raises(tmp_path: Path) -> None:
    """A handler that raises is called again, so many times; then the message is a dead letter with the reason."""
    async with Shop(tmp_path, RAISES, handler_retries=2) as shop:
        await shop.add(chat("1.PNM", text="多少钱"), chat("2.PNM"))
        rows = await shop.settled()

        assert sorted(shop.seen) == [("1.PNM", 1), ("1.PNM", 2), ("1.PNM", 3), ("2.PNM", 1), ("2.PNM", 2), ("2.PNM", 3)]
        assert (rows["1.PNM"].state, rows["1.PNM"].message.attempt) == ("failed", 3)
        assert rows["1.PNM"].reason == "ValueError: can't make sense of ‹text›"


async def test_log_of_failures(tmp_path: Path) -> None:
    """Each failure is a line with the place in the owner's file, and without the buyer's text."""
    async with Shop(tmp_path, RAISES, handler_retries=1) as shop:
        await shop.add(chat("1.PNM", text="多少钱"))
        await shop.settled()
    lines = [json.loads(line) for line in shop.log_file.read_text().splitlines()]

    assert [(line["event"], line["attempt"], line.get("wait")) for line in lines] == [
        ("消息处理失败", 1, 0.02),
        ("消息处理失败，已转入死信", 2, None),
    ]
    assert all(f'{shop.module}.py", line 5' in line["traceback"] for line in lines)
    assert "多少钱" not in shop.log_file.read_text()


async def test_backoff(tmp_path: Path) -> None:
    """The waits before further calls double; meanwhile other messages are served, of the same buyer too."""
    code = """
import time
SEEN = []
async def answer(message, account):
    SEEN.append((message.id, time.monotonic()))
    if message.id == "1.PNM" and message.attempt < 4:
        raise OSError("down")
"""
    async with Shop(tmp_path, code, handler_concurrency=1, handler_retry_delay=0.05) as shop:
        await shop.add(chat("1.PNM"), chat("2.PNM"), chat("3.PNM", talk="c2"))
        rows = await shop.settled()
        times = [at for id_, at in shop.seen if id_ == "1.PNM"]
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]

        assert {row.state for row in rows.values()} == {"done"}
        assert [id_ for id_, _ in shop.seen] == ["1.PNM", "3.PNM", "2.PNM", "1.PNM", "1.PNM", "1.PNM"]
        assert all(gap >= least for gap, least in zip(gaps, (0.05, 0.1, 0.2), strict=True))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("7", "returned int, expected str, Reply, HandOver, a list of these or None"),
        ("{'reply': 'x'}", "returned dict, expected str, Reply, HandOver, a list of these or None"),
        ("b'x'", "returned bytes, expected str, Reply, HandOver, a list of these or None"),
        ("'x' * 1_000_000", "returned a text of 1000000 characters; a message has at most 4000"),
        ("'\\ud800'", "returned a text with half a character (a lone surrogate): it can't be sent"),
    ],
)
async def test_rubbish(tmp_path: Path, value: str, reason: str) -> None:
    """What can't be sent is a failed call, and the reason says what came."""
    async with Shop(tmp_path, f"async def answer(message, account): return {value}", handler_retries=0) as shop:
        await shop.add(chat("1.PNM"))
        row = (await shop.settled())["1.PNM"]

        assert (row.state, row.reason) == ("failed", reason)
        assert await shop.outbox() == []


async def test_hangs(tmp_path: Path) -> None:
    """A call that takes too long is cancelled, and has failed."""
    code = """
import asyncio
SEEN = []
async def answer(message, account):
    try:
        await asyncio.sleep(60)
    finally:
        SEEN.append("cancelled")
"""
    async with Shop(tmp_path, code, handler_retries=1, handler_timeout=0.05) as shop:
        await shop.add(chat("1.PNM"))
        row = (await shop.settled())["1.PNM"]

        assert (row.state, row.reason) == ("failed", "no answer within 0.05 s")
        assert shop.seen == ["cancelled", "cancelled"]


async def test_ignores_cancellation(tmp_path: Path) -> None:
    """A call that does not end when cancelled keeps its slot, and its conversation; what it answers at last counts."""
    code = """
import asyncio
SEEN, OPEN = [], []
async def answer(message, account):
    SEEN.append(message.id)
    while not OPEN:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            pass
    return "at last"
"""
    async with Shop(tmp_path, code, handler_concurrency=1, handler_timeout=0.05) as shop:
        await shop.add(chat("1.PNM"), chat("2.PNM", talk="c2"))
        await shop.until(lambda: shop.handler.trouble)
        assert "1 of its calls ignore cancellation" in str(shop.handler.trouble)
        assert shop.seen == ["1.PNM"]
        open_gate(shop)
        await shop.settled()

        assert shop.seen == ["1.PNM", "2.PNM"]
        assert [text for _, text, _ in await shop.outbox()] == ["at last", "at last"]
        assert shop.handler.trouble is None

    assert "消息处理程序超时后仍未结束" in shop.log_file.read_text()


async def test_too_old_when_its_turn_comes(tmp_path: Path) -> None:
    """A message that became too old while it waited is not handed over: it is a dead letter, so that somebody knows."""
    async with Shop(tmp_path, GATED, reply_max_age=0.3) as shop:
        await shop.add(chat("1.PNM"), chat("2.PNM"))
        await shop.until(lambda: len(shop.seen) == 1)
        await asyncio.sleep(0.35)
        open_gate(shop)
        rows = await shop.settled()

        assert (rows["1.PNM"].state, rows["2.PNM"].state) == ("done", "failed")
        assert rows["2.PNM"].reason == "older than reply_max_age when its turn came"
        assert shop.seen == [("1.PNM", 1)]


async def test_too_old_for_another_try(tmp_path: Path) -> None:
    """A message whose call failed, and which then became too old, is a dead letter: somebody should know."""
    async with Shop(tmp_path, RAISES, reply_max_age=0.2, handler_retry_delay=0.3) as shop:
        await shop.add(chat("1.PNM"))
        row = (await shop.settled())["1.PNM"]

        assert row.state == "failed"
        assert "older than reply_max_age" in str(row.reason)
        assert shop.seen == [("1.PNM", 1)]


async def test_taken_over_meanwhile(tmp_path: Path) -> None:
    """When the owner writes during a call, its reply is dropped, and what waits in that conversation is kept."""
    async with Shop(tmp_path, GATED) as shop:
        await shop.add(chat("1.PNM"), chat("2.PNM"), chat("3.PNM", talk="c2"))
        await shop.until(lambda: len(shop.seen) == 2)
        await shop.add(chat("4.PNM", own=True, text="我来"))
        open_gate(shop)
        rows = await shop.settled()

        assert {id_: (row.state, row.reason) for id_, row in rows.items() if id_ != "4.PNM"} == {
            "1.PNM": ("done", "taken over"),
            "2.PNM": ("kept", "taken over"),
            "3.PNM": ("done", None),
        }
        assert [to for to, _, _ in await shop.outbox()] == ["c2"]

    assert "自动回复未发送" in shop.log_file.read_text()


async def test_no_conversation(tmp_path: Path) -> None:
    """A message without a conversation is handed over; a reply to it has nowhere to go: a dead letter (X2)."""
    async with Shop(tmp_path, ECHO) as shop:
        await shop.add(chat("order:1", talk=None), chat("order:2", talk=None))
        rows = await shop.settled()

        assert {(row.state, row.reason) for row in rows.values()} == {("failed", "no conversation to reply in")}
        assert await shop.outbox() == []


async def test_backlog(tmp_path: Path) -> None:
    """What waited before the start is read in pages: all of it is handled, in order, and little is in memory."""
    shop = Shop(tmp_path, ECHO, handler_concurrency=20)
    talks = {number: number % 300 if number % 3 else -1 for number in range(450)}
    await shop.add(*(chat(f"{number}.PNM", talk=f"c{talk}") for number, talk in talks.items()), tell=False)
    most = 0
    async with shop:
        while len(shop.seen) < 450:
            most = max(most, len(shop.dispatcher._backlog.queue))
            await asyncio.sleep(0.002)
        rows = await shop.settled()
        assert {row.state for row in rows.values()} == {"done"}
        assert 0 < most <= 200
        for talk in (-1, 1, 298):
            of_talk = [int(id_[:-4]) for id_, _ in shop.seen if talks[int(id_[:-4])] == talk]
            assert of_talk == [number for number in range(450) if talks[number] == talk]


async def test_talkative_buyer(tmp_path: Path) -> None:
    """A conversation with hundreds of waiting messages does not keep the others waiting."""
    async with Shop(tmp_path, SLOW) as shop:
        await shop.add(*(chat(f"{number}.PNM") for number in range(200)))
        await shop.add(chat("other.PNM", talk="c2"))
        await shop.until(lambda: "other.PNM" in shop.seen)
        assert len(shop.seen) < 30
        await shop.until(lambda: len(shop.seen) > 30)

        assert [id_ for id_ in shop.seen if id_ != "other.PNM"][:30] == [f"{number}.PNM" for number in range(30)]


async def test_retry_of_dead_letters(tmp_path: Path) -> None:
    """A dead letter that a person wants handled again is, whatever its age; the attempts go on counting."""
    async with Shop(tmp_path, RAISES, handler_retries=1, reply_max_age=0.3) as shop:
        await shop.add(chat("1.PNM"))
        await shop.settled()
        await asyncio.sleep(0.3)
        assert await shop.inbox.do(Job(lambda store: store.redo([]))) == 1
        shop.dispatcher.wake()
        rows = await shop.settled()

        assert shop.seen == [("1.PNM", 1), ("1.PNM", 2), ("1.PNM", 3), ("1.PNM", 4)]
        assert rows["1.PNM"].state == "failed"


async def test_retry_while_reading(tmp_path: Path) -> None:
    """A dead letter that waits again is found, also when the store is just being read further on."""
    shop = Shop(tmp_path, ECHO)
    await shop.add(*(chat(f"{number}.PNM", talk=f"c{number}") for number in range(60)), tell=False)
    await shop.inbox.do(Job(lambda store: store.give_up(1, "failed", "x")))
    gate = threading.Event()
    blocker = shop.inbox.do(Job(lambda store: gate.wait(10)))
    async with shop:
        await asyncio.sleep(0.02)  # now the dispatcher waits for its first page
        redone = asyncio.ensure_future(shop.inbox.do(Job(lambda store: store.redo([]))))
        redone.add_done_callback(lambda _: shop.dispatcher.wake())
        gate.set()
        await blocker

        assert {row.state for row in (await shop.settled()).values()} == {"done"}


async def test_nothing_to_do(tmp_path: Path) -> None:
    """Without a message there is no inbox file, and the dispatcher does not make one."""
    async with Shop(tmp_path, ECHO) as shop:
        await shop.handler.ready()
        await asyncio.sleep(0.05)

        assert not shop.inbox.exists()
