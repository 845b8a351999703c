"""A worker's end of the webhook process's socket: one line there, one back, and what is known when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from support.post import Post
from support.receiver import Receiver
from support.shop import Shop, chat, text_of
from support.station import until
from support.webhooks import hook, running
from xyfleet.worker.handlers.base import HandlerFailed, HandlerUnsure, NotCalled, Reply
from xyfleet.worker.handlers.webhook import MAX_LINE, Limits, WebhookHandler
from xyfleet.worker.protocol.message import Message

MESSAGE = Message(account="a0", id="1.PNM", conversation="c1", text="在吗", time="2026-01-01T00:00:00.000Z", attempt=1)
QUICK = Limits(idle=10.0, grace=0.05, first_delay=0.01, longest_delay=0.05)


@contextlib.asynccontextmanager
async def handler_for(path: Path, limits: Limits = QUICK) -> AsyncIterator[tuple[WebhookHandler, list[str | None]]]:
    """Give a handler, and the troubles that it told of."""
    told: list[str | None] = []

    def tell() -> None:
        told.append(None if handler.trouble is None else str(handler.trouble))

    handler = WebhookHandler(
        str(path),
        ("test", "a0"),
        tell,
        limits,
        "/shop",
    )
    handler.start()
    try:
        yield handler, told
    finally:
        await handler.close()


async def answer_of(post: Post, handler: WebhookHandler, timeout: float = 5.0) -> str | Reply | None:
    """Make one call."""
    await handler.ready()
    answer = await handler.call(MESSAGE, timeout)
    if answer is None:
        return None
    (reply,) = answer.replies
    return reply.text if reply.image is None else reply


async def test_request_and_reply(tmp_path: Path) -> None:
    """A request has number, account, timeout and the message's JSON; the reply to it is what the call returns."""
    async with Post(tmp_path / "s") as post, handler_for(post.path) as (handler, told):
        assert await answer_of(post, handler) == "re 1.PNM"
        assert post.requests == [
            {
                "number": 1,
                "fleet": "test",
                "account": "a0",
                "timeout": 5.0,
                "message": json.loads(msgspec.json.encode(MESSAGE)),
            }
        ]
        assert told == []


async def test_image(tmp_path: Path) -> None:
    """The path of an image begins in the folder of the accounts file."""
    async with Post(tmp_path / "s") as post, handler_for(post.path) as (handler, _):
        post.answers = [{"replies": [{"image": "guide.png"}]}, {"replies": [{"text": "请看图", "image": "guide.png"}]}]

        assert await answer_of(post, handler) == Reply(image="/shop/guide.png")
        assert await answer_of(post, handler) == Reply("请看图", "/shop/guide.png")


@pytest.mark.parametrize("answer", [{"replies": []}, {}, {"replies": [{"text": ""}]}])
async def test_no_reply(tmp_path: Path, answer: dict[str, None]) -> None:
    """Nothing, and the empty text, are no reply."""
    async with Post(tmp_path / "s") as post, handler_for(post.path) as (handler, _):
        post.answers = [answer]

        assert await answer_of(post, handler) is None


async def test_failed(tmp_path: Path) -> None:
    """What the webhook did wrong is a failed call, and no trouble of the handler's."""
    async with Post(tmp_path / "s") as post, handler_for(post.path) as (handler, told):
        post.answers = [{"failed": "http://h answered 500"}, {"replies": [{"text": "x" * 4001}]}]
        with pytest.raises(HandlerFailed, match="webhook: http://h answered 500"):
            await answer_of(post, handler)
        with pytest.raises(HandlerFailed, match="4001 characters"):
            await answer_of(post, handler)

        assert told == []


async def test_refused(tmp_path: Path) -> None:
    """A refusal is a trouble, and the call was not made; the next one waits longer and longer, until one is taken."""
    async with Post(tmp_path / "s") as post, handler_for(post.path) as (handler, told):
        post.answers = [{"refused": {"code": "webhook_unset", "fields": {"name": "a0"}}}] * 3
        for _ in range(3):
            with pytest.raises(NotCalled):
                await answer_of(post, handler)
        began = asyncio.get_running_loop().time()
        assert await answer_of(post, handler) == "re 1.PNM"
        assert asyncio.get_running_loop().time() - began >= 0.029

        assert told == ["webhook: no webhook is set for a0", None]
        assert post.connections == 1


async def test_many_at_once(tmp_path: Path) -> None:
    """Answers come in any order, each to its own call, on one connection."""
    async with Post(tmp_path / "s") as post, handler_for(post.path) as (handler, _):
        post.silent = True
        await handler.ready()
        calls = [
            asyncio.create_task(handler.call(msgspec.structs.replace(MESSAGE, id=str(number)), 5))
            for number in range(20)
        ]
        await until(lambda: len(post.requests) == 20)
        post.silent = False
        lines = [{"number": each["number"], "replies": [{"text": each["message"]["id"]}]} for each in post.requests]
        post.answers = [b"".join(json.dumps(line).encode() + b"\n" for line in reversed(lines))]
        last = asyncio.create_task(handler.call(MESSAGE, 0.05))

        assert [text_of(each) for each in await asyncio.gather(*calls)] == [str(number) for number in range(20)]
        assert post.connections == 1
        with pytest.raises(HandlerUnsure):
            await last


@pytest.mark.parametrize(
    "answer", [None, b"no JSON\n", b'{"number": "one"}\n', b'{"number": 1, "replies": "' + b"x" * MAX_LINE]
)
async def test_connection_lost(tmp_path: Path, answer: bytes | None) -> None:
    """When the connection ends, or makes no sense, nobody knows how far the call came; the next one connects anew."""
    async with Post(tmp_path / "s") as post, handler_for(post.path) as (handler, _):
        post.answers = [answer]
        with pytest.raises(HandlerUnsure, match="lost during the call"):
            await answer_of(post, handler)
        assert await answer_of(post, handler) == "re 1.PNM"

        assert post.connections == 2


async def test_no_sign_of_life(tmp_path: Path) -> None:
    """The webhook process sees to the timeout; when it does not, it hangs, and the end of its calls is not known."""
    async with Post(tmp_path / "s") as post, handler_for(post.path) as (handler, _):
        post.silent = True
        await handler.ready()
        calls = [asyncio.create_task(handler.call(MESSAGE, timeout)) for timeout in (0.05, 30)]
        ends = await asyncio.gather(*calls, return_exceptions=True)

        assert [type(end) for end in ends] == [HandlerUnsure, HandlerUnsure]
        post.silent = False
        assert await answer_of(post, handler) == "re 1.PNM"


async def test_not_there(tmp_path: Path) -> None:
    """Without the process nothing is called; that is a trouble from the second try on, until it is there."""
    path = tmp_path / "s"
    async with handler_for(path) as (handler, told):
        with pytest.raises(NotCalled):
            await handler.call(MESSAGE, 5)
        waiting = asyncio.create_task(handler.ready())
        await until(lambda: told)
        async with Post(path) as post:
            await waiting

            assert await answer_of(post, handler) == "re 1.PNM"
            assert told == ["webhook: the webhook process can't be reached: No such file or directory", None]


async def test_started_a_moment_later(tmp_path: Path) -> None:
    """A process that is there at the second try is no trouble: it may have been started anew."""
    path = tmp_path / "s"
    async with handler_for(path, QUICK._replace(first_delay=0.2, longest_delay=0.2)) as (handler, told):
        waiting = asyncio.create_task(handler.ready())
        await asyncio.sleep(0.05)
        async with Post(path):
            await waiting

            assert told == []


async def test_idle_connection(tmp_path: Path) -> None:
    """A connection without calls is closed after a while, not before; none is made at the start."""
    async with Post(tmp_path / "s") as post, handler_for(post.path, QUICK._replace(idle=0.05)) as (handler, _):
        await asyncio.sleep(0.02)
        assert post.connections == 0
        await answer_of(post, handler)
        assert post.open == 1
        await until(lambda: post.open == 0)
        assert await answer_of(post, handler) == "re 1.PNM"

        assert post.connections == 2


async def test_process_restarted(tmp_path: Path) -> None:
    """After a new start of the process the next call goes to the new one."""
    async with handler_for(tmp_path / "s") as (handler, told):
        async with Post(tmp_path / "s") as first:
            await answer_of(first, handler)
            first.answers = [None]
            with pytest.raises(HandlerUnsure):
                await answer_of(first, handler)
        async with Post(tmp_path / "s") as second:
            assert await answer_of(second, handler) == "re 1.PNM"
            assert (len(second.requests), told) == (1, [])


async def test_close(tmp_path: Path) -> None:
    """At the end calls that are on have an unknown end, and no other can be made."""
    async with Post(tmp_path / "s") as post, handler_for(post.path) as (handler, _):
        post.silent = True
        await handler.ready()
        on = asyncio.create_task(handler.call(MESSAGE, 30))
        await until(lambda: post.requests)
        await handler.close()

        with pytest.raises(HandlerUnsure):
            await on
        with pytest.raises(NotCalled):
            await handler.call(MESSAGE, 5)
        await until(lambda: post.open == 0)


async def test_with_the_real_process(tmp_path: Path) -> None:
    """From the inbox over the fleet's webhook process to a web service, and its reply into the outbox."""
    path = tmp_path / "webhook.sock"
    with running(path) as process:
        async with Receiver() as receiver:
            handler = WebhookHandler(str(path), ("test", "a0"), lambda: None, QUICK)
            async with Shop(tmp_path, handler=handler, handler_retries=1) as shop:
                await shop.add(chat("1.PNM"))
                await until(lambda: handler.trouble)
                assert "no webhook is set for a0" in str(handler.trouble)
                process.take(a0=hook(f"{receiver.url}/reply"))
                rows = await shop.settled()
                assert (rows["1.PNM"].state, rows["1.PNM"].message.attempt) == ("done", 1)
                assert await shop.outbox() == [("c1", "在的", "1.PNM")]
                assert handler.trouble is None

                process.take(a0=hook(f"{receiver.url}/error"))
                await shop.add(chat("2.PNM"))
                row = (await shop.settled())["2.PNM"]
                assert (row.state, row.message.attempt) == ("failed", 2)
                assert str(row.reason).endswith("answered 500")
                assert [call.message["attempt"] for call in receiver.calls] == [1, 1, 2]
                assert all(call.signed for call in receiver.calls)
