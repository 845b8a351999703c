"""Messages over the real API: listed, and followed from where a reader was."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.inboxes import NOW, bury, put, store, write
from support.standin import StandIn, account, until
from xyfleet.supervisor.api import message_routes, middleware
from xyfleet.supervisor.api.client import Client
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.messages import followers
from xyfleet.worker.protocol.message import Message


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[StandIn]:
    one = StandIn(tmp_path, [account("a", tags=("t",)), account("b"), account("c")])
    server = ApiServer(one, tmp_path / "control.sock")
    await server.start()
    yield one
    await server.close()


@pytest.fixture
async def http(control: StandIn) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.UnixConnector(str(control.folder / "control.sock"))
    async with aiohttp.ClientSession("http://xyfleet", connector=connector) as session:
        yield session


async def lines(http: aiohttp.ClientSession, query: str = "") -> list[dict[str, Any]]:
    async with http.get(f"/v1/messages{query}") as response:
        assert (response.status, response.content_type) == (200, "application/x-ndjson")
        return [json.loads(line) for line in (await response.text()).splitlines()]


class Stream:
    """A reader of the stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.last = ""
        """The last id that came."""

    async def event(self) -> dict[str, str]:
        """Return the next event's fields; of a comment, its text under "comment"."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            while line := (await self._response.content.readline()).decode():
                if line == "\n":
                    self.last = fields.get("id", self.last)
                    return fields
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name or "comment"] = value
        raise EOFError

    async def message(self) -> dict[str, Any]:
        """Return the next message."""
        while (event := await self.event()).get("event") != "message":
            pass
        found: dict[str, Any] = json.loads(event["data"])
        return found


@contextlib.asynccontextmanager
async def streaming(http: aiohttp.ClientSession, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """Open the stream; without an id it has said from where when this returns."""
    async with http.get(f"/v1/messages/stream{query}", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        stream = Stream(response)
        assert await stream.event() == {"retry": "3000"}
        if not (query or headers):
            assert list(await stream.event()) == ["id"]
        yield stream


async def test_messages_have_the_one_form(http: aiohttp.ClientSession, control: StandIn) -> None:
    """A line has a message's fields and no others, the values of the inbox, and a dead letter two more."""
    put(control, "a", "1.PNM", raw={"x": [1]}, item="7")
    bury(control, "b", "2.PNM")
    first, second = await lines(http)

    assert list(first) == list(Message.__struct_fields__)
    assert first == {
        **{"account": "a", "id": "1.PNM", "conversation": "60123", "item": "7", "sender": "9", "sender_name": "小王"},
        **{"kind": "text", "text": "在吗", "time": "2026-01-02T03:04:05.000Z", "own": False, "recovered": False},
        **{"attempt": 0, "raw": {"x": [1]}, "content_type": None, "order": None, "order_status": None},
        **{"role": None, "buyer": None, "quantity": None, "amount": None},
    }
    assert list(second) == [*Message.__struct_fields__, "state", "reason"]
    assert (second["attempt"], second["state"], second["reason"]) == (1, "failed", "it raised ValueError")


async def test_messages_are_chosen(http: aiohttp.ClientSession, control: StandIn) -> None:
    """By name or tag, time, conversation, failure and number."""
    put(control, "a", "1.PNM", now=NOW)
    put(control, "b", "2.PNM", now=int(time.time() * 1000) - 60_000, conversation="other")
    bury(control, "c", "3.PNM")

    async def ids(query: str) -> list[str]:
        return [one["id"] for one in await lines(http, query)]

    assert await ids("?name=@t&name=c") == ["1.PNM", "3.PNM"]
    assert await ids("?since=2h") == await ids("?conversation=other") == ["2.PNM"]
    assert await ids("?since=2026-01-02T11:04:05+08:00") == ["1.PNM", "3.PNM", "2.PNM"]
    assert await ids("?failed=1&since=") == ["3.PNM"]
    assert await ids("?limit=1&failed=0") == ["2.PNM"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/messages?limit=0", 400, "bad_request"),
        ("/v1/messages?limit=10001", 400, "bad_request"),
        ("/v1/messages?limit=%C2%B2", 400, "bad_request"),
        ("/v1/messages?limit=" + "1" * 5000, 400, "bad_request"),
        ("/v1/events?since=" + "1" * 5000, 400, "bad_request"),
        ("/v1/messages?since=yesterday", 400, "bad_request"),
        ("/v1/messages?name=zz", 404, "unknown_account"),
        ("/v1/messages/stream?name=zz", 404, "unknown_account"),
        ("/v1/messages/stream?after=zz", 400, "bad_request"),
        ("/v1/messages/stream?after=AQAAAZt8qY58lws0UA", 410, "gone"),
        ("/v1/messages/stream?after=0123456789ab-7", 410, "gone"),
    ],
)
async def test_wrong_questions_are_refused(http: aiohttp.ClientSession, path: str, status: int, code: str) -> None:
    """Each with its code, and no stream is left open."""
    async with http.get(path) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (status, code)


async def test_unreadable_inbox_is_named(http: aiohttp.ClientSession, control: StandIn) -> None:
    """The answer has the others' messages, and a header says whose are missing, in the language asked for."""
    put(control, "a", "1.PNM")
    (control.folder / "inbox" / "b.db").write_bytes(b"x" * 5000)
    async with http.get("/v1/messages") as response:
        body = await response.text()
    found = json.loads(response.headers["X-Xyfleet-Unreadable"])

    assert body.count("\n") == 1
    assert found == {"b": f"{control.folder}/inbox/b.db: file is not a database"}


async def test_stream_brings_what_comes(http: aiohttp.ClientSession, control: StandIn) -> None:
    """From now on, as soon as a worker says so, of all accounts; a listing's lines and a stream's data are the same."""
    put(control, "a", "old.PNM")
    async with streaming(http) as stream:
        put(control, "a", "1.PNM", now=int(time.time() * 1000))
        assert (await stream.message())["id"] == "1.PNM"
        put(control, "b", "2.PNM", now=int(time.time() * 1000))
        assert await stream.message() == (await lines(http))[-1]


async def test_stream_follows_a_listing(http: aiohttp.ClientSession, control: StandIn) -> None:
    """What came between the listing and the stream is not lost, and what was listed does not come again."""
    put(control, "a", "1.PNM", now=int(time.time() * 1000))
    async with http.get("/v1/messages") as response:
        after = response.headers["X-Xyfleet-Next"]
    put(control, "a", "2.PNM", now=int(time.time() * 1000))
    async with streaming(http, f"?after={after}") as stream:
        assert (await stream.message())["id"] == "2.PNM"


async def test_stream_of_some_accounts(http: aiohttp.ClientSession, control: StandIn) -> None:
    """Others' messages are not sent."""
    async with streaming(http, "?name=b") as stream:
        await stream.event()
        put(control, "a", "1.PNM", now=int(time.time() * 1000))
        put(control, "b", "2.PNM", now=int(time.time() * 1000))
        assert (await stream.message())["id"] == "2.PNM"


async def test_silent_stream_beats(
    http: aiohttp.ClientSession, control: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment says that the connection lives; a reader who goes is forgotten at the next one."""
    monkeypatch.setattr(message_routes, "BEAT", 0.05)
    async with streaming(http) as stream:
        assert await stream.event() == {"comment": "beat"}
    await until(lambda: not control.mail.followers)


async def test_streams_are_limited(
    http: aiohttp.ClientSession, control: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One too many is refused."""
    monkeypatch.setattr(message_routes, "MAX_STREAMS", 1)
    async with streaming(http), http.get("/v1/messages/stream") as response:
        assert response.status == 503
    assert control.mail.followers <= 1


async def test_header_that_names_inboxes_has_a_bound(tmp_path: Path) -> None:
    """Clients refuse long header lines: the first ones are named, as many as fit, whatever their paths are."""
    names = [f"shop-{number:059}" for number in range(40)]
    one = StandIn(tmp_path, [account(name) for name in names])
    (tmp_path / "inbox").mkdir()
    for name in names:
        (tmp_path / "inbox" / f"{name}.db").write_bytes(b"x" * 5000)
    server = ApiServer(one, tmp_path / "control.sock")
    await server.start()
    answer = await asyncio.to_thread(Client(str(server.path), "zh").get, "/v1/messages")
    await server.close()
    named = json.loads(answer.headers["x-xyfleet-unreadable"])

    assert list(named) == names[: len(named)]
    assert 5 < len(named) < 40
    assert len(answer.headers["x-xyfleet-unreadable"]) <= message_routes.MAX_NAMED


async def test_reader_that_never_reads_is_cut_off(
    http: aiohttp.ClientSession, control: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full pipe does not keep messages in memory: the stream ends."""
    monkeypatch.setattr(middleware, "SILENCE", 0.2)
    put(control, "a", *[f"{number}.PNM" for number in range(9)], text="x" * 100_000)
    _, sender = await asyncio.open_unix_connection(str(control.folder / "control.sock"), limit=1)
    begin = control.mail.feed.cursor(0)
    sender.write(f"GET /v1/messages/stream?after={begin} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: control.mail.followers)
    await until(lambda: not control.mail.followers)
    sender.close()
    with contextlib.suppress(ConnectionError):
        await sender.wait_closed()


async def test_slow_reader_is_served(control: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes a bit now and then may take longer than the silence that is allowed."""
    monkeypatch.setattr(middleware, "SILENCE", 0.4)
    put(control, "a", *[f"{number}.PNM" for number in range(20)], text="x" * 100_000)
    reader, sender = await asyncio.open_unix_connection(str(control.folder / "control.sock"), limit=1)
    sender.write(b"GET /v1/messages HTTP/1.0\r\n\r\n")
    began, taken = time.monotonic(), 0
    while data := await reader.read(2**16):
        taken += len(data)
        await asyncio.sleep(0.03)
    sender.close()

    assert taken > 2_000_000
    assert time.monotonic() - began > 0.5


async def test_trouble_is_told_once_and_its_end_brings_the_messages(
    http: aiohttp.ClientSession, control: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other accounts go on meanwhile; when the file can be read again nothing of it was lost."""
    control.mail.sweep = 0.1
    async with streaming(http) as stream:
        put(control, "b", "1.PNM", now=int(time.time() * 1000))
        assert (await stream.message())["id"] == "1.PNM"
        path = control.folder / "inbox" / "b.db"
        whole = path.rename(path.with_suffix(".whole"))
        path.write_bytes(b"x" * 5000)
        while (event := await stream.event()).get("event") != "unreadable":
            pass
        assert json.loads(event["data"])["account"] == "b"
        put(control, "a", "2.PNM", now=int(time.time() * 1000))
        assert (await stream.message())["id"] == "2.PNM"
        await asyncio.sleep(0.3)
        last = stream.last
        whole.rename(path)
        put(control, "b", "3.PNM", now=int(time.time() * 1000))
        assert (await stream.message())["id"] == "3.PNM"
    async with streaming(http, **{"Last-Event-ID": last}) as stream:
        assert (await stream.message())["id"] == "3.PNM"


async def test_lost_report_is_made_up_for(http: aiohttp.ClientSession, control: StandIn) -> None:
    """A row nobody told of is found by looking."""
    control.mail.sweep = 0.1
    async with streaming(http) as stream:
        with store(control.folder, "c") as opened:
            write(opened, "1.PNM", now=int(time.time() * 1000))
        assert (await stream.message())["id"] == "1.PNM"


async def test_stream_ends_with_the_server(tmp_path: Path) -> None:
    """Whoever follows gets an end, not silence."""
    control = StandIn(tmp_path, [account("a")])
    server = ApiServer(control, tmp_path / "control.sock")
    await server.start()
    connector = aiohttp.UnixConnector(str(tmp_path / "control.sock"))
    async with aiohttp.ClientSession("http://xyfleet", connector=connector) as http, streaming(http) as stream:
        closing = asyncio.create_task(server.close())
        with pytest.raises(EOFError):
            await stream.message()
        await closing


@pytest.mark.pythons
async def test_broken_connections_lose_and_repeat_nothing(
    http: aiohttp.ClientSession, control: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workers write at their own pace, the reader comes and goes: each message comes once and in order."""
    monkeypatch.setattr(followers, "PAGE", 7)
    control.mail.sweep = 0.2
    loop, rng, count = asyncio.get_running_loop(), random.Random(7), 100

    def work(name: str, pace: random.Random) -> None:
        with store(control.folder, name) as opened:
            for number in range(count):
                write(opened, f"{name}{number}.PNM", now=int(time.time() * 1000))
                if pace.random() < 0.7:
                    loop.call_soon_threadsafe(control.mail.changed, name)
                time.sleep(pace.random() / 200)

    async with streaming(http) as stream:
        last = stream.last
    threads = [threading.Thread(target=work, args=(name, random.Random(name))) for name in "abc"]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    while len(seen) < 3 * count:
        async with streaming(http, **{"Last-Event-ID": last}) as stream:
            for _ in range(min(rng.randrange(40), 3 * count - len(seen))):
                seen.append((await stream.message())["id"])
                last = stream.last
    for thread in threads:
        await asyncio.to_thread(thread.join)

    assert sorted(seen) == sorted(f"{name}{number}.PNM" for name in "abc" for number in range(count))
    for name in "abc":
        assert [one for one in seen if one[0] == name] == [f"{name}{number}.PNM" for number in range(count)]
