"""Commands reach the fleet that is meant and nobody else, and two fleets get nothing of each other."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from support.fleet import Fleet, running
from support.gateway import Gateway
from support.standin import StandIn, account, run, serving

COOKIE = "unb=2200000000001; cookie2=sim-s3cret"
ATTACKER = 4102


@contextmanager
def being(uid: int) -> Iterator[None]:
    """Act as another user for a block."""
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)


@asynccontextmanager
async def listening(path: Path, uid: int, name: str) -> AsyncIterator[list[bytes]]:
    """Answer like a fleet of this name, as this user; give what was heard."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))
        body = json.dumps({"name": name, "done": [], "timezone": None}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()
        await writer.wait_closed()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        with being(uid):  # the kernel notes who listens
            server = await asyncio.start_unix_server(answer, sock=listener)
        async with server:
            yield heard


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("words", [("login", "a"), ("status",), ("stop", "a")])
async def test_nothing_is_said_to_another_user(tmp_path: Path, words: tuple[str, ...]) -> None:
    """B6: the socket of another user, in whatever folder it is, gets neither a cookie nor a question."""
    path = tmp_path / "theirs.sock"
    async with (
        serving(StandIn(tmp_path, [account("a")]), socket=str(path)),
        listening(path, ATTACKER, "shops") as heard,
    ):
        ended = await run(tmp_path, *words, stdin=COOKIE.encode())

    assert (ended.code, ended.out) == (4, "")
    assert f"a program of another user (uid {ATTACKER}) answers; nothing was said to it" in ended.err
    assert b"".join(heard) == b""


@pytest.mark.parametrize("words", [("login", "a"), ("status",), ("events",), ("messages",), ("stop", "a")])
async def test_another_fleet_does_and_shows_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    """B7, finding 15: what is meant for one fleet is neither shown, done nor given to another."""
    path = tmp_path / "other.sock"
    async with (
        serving(StandIn(tmp_path, [account("a")]), socket=str(path)),
        listening(path, os.geteuid(), "others") as heard,
    ):
        ended = await run(tmp_path, *words, stdin=COOKIE.encode())

    assert (ended.code, ended.out) == (4, "")
    assert "another fleet answers: others; nothing was done" in ended.err
    asked = {each.split(b" HTTP")[0] for each in heard}
    assert b"GET /v1/health" in asked
    assert not [each for each in heard if each.startswith(b"POST") or b"s3cret" in each]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
async def test_a_record_of_another_user_is_none(tmp_path: Path) -> None:
    """B22: in a folder that a wide umask left open, what another user wrote leads nobody anywhere."""
    async with serving(StandIn(tmp_path, [account("a")])):
        (record,) = (tmp_path / "xyfleet" / "fleets").glob("*.json")
        os.chown(record, ATTACKER, ATTACKER)
        assert (await run(tmp_path, "status")).code == 7
        os.chown(record.parent, ATTACKER, ATTACKER)  # his own fleets: root was told to look there
        assert (await run(tmp_path, "status", "--json")).code == 0


def test_two_fleets_share_a_run_folder_s_parent(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """B7, finding 15: with one XYFLEET_RUN_DIR each has its own sockets, and answers for itself."""
    one, two = (Fleet(tmp_path / name, fresh_gateway.endpoint, fresh_gateway.token_url, 1) for name in ("one", "two"))
    for fleet in (one, two):
        fleet.folder.mkdir()
        fleet.config["fleet"]["name"] = fleet.folder.name
        fleet.config["accounts"][0]["enabled"] = False
        fleet.env["XYFLEET_RUN_DIR"] = str(tmp_path / "r")
    with running(one), running(two):
        for fleet in (one, two, one):
            health = json.loads(fleet.client.get("/v1/health").body)
            assert fleet.process is not None
            assert (health["name"], health["pid"]) == (fleet.folder.name, fleet.process.pid)
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["one", "two"]


async def test_a_fleet_that_says_its_name_is_not_asked(tmp_path: Path) -> None:
    """Its answers bear it: `status` costs one request, as it did."""
    async with serving(StandIn(tmp_path, [account("a")])) as record:
        reader, writer = await asyncio.open_unix_connection(record.socket)
        writer.write(b"GET /v1/status HTTP/1.0\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()

    assert b"\r\nX-Xyfleet-Fleet: shops\r\n" in head
