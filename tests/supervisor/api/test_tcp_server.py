"""The API on TCP: only for who has the token, wherever the request comes from."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.fleet import Fleet, running
from support.gateway import Gateway
from support.standin import StandIn, account
from xyfleet.supervisor import simulator
from xyfleet.supervisor.api.routes import make_app
from xyfleet.supervisor.api.tcp_listener import ListenRefused, TcpListener, open_listener, read_token
from xyfleet.supervisor.api.tcp_server import TcpServer
from xyfleet.supervisor.settings import Http, Tls
from xyfleet.worker.secret import Secret

pytestmark = pytest.mark.pythons

PEMS = Path(simulator.__file__).parent
CERT, KEY = PEMS / "loopback-test-cert.pem", PEMS / "loopback-test-key.pem"
TOKEN = "A" * 42 + "-"
LOCKED_KEY = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjDmzm72mmnWgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEBiD2tgnhg9MH0pnIVWUFvkEgZDq
hEp+zYor9Y+8L+fwzutNxdy+VFEWeg+106KNUGJTjt57kVnz4cXI9t/vjvqOkkps
1y3Emf34TaHdMNSY/tBX4MG2uNAhyp5KHvNxKoWerWn1HyPsbUzokHkXSGrbtT/7
UPaaIXLY6c2Gac7w5IpeRKN5L4KiOQyvR6+YfPgCD8/bCeBFvLvQJRTPKQijN5s=
-----END ENCRYPTED PRIVATE KEY-----
"""
"""The loopback key, with a password."""


@contextlib.asynccontextmanager
async def serving(folder: Path, **http: Any) -> AsyncIterator[tuple[TcpServer, TcpListener]]:
    """Serve a stand-in's API on a free port of loopback."""
    door = open_listener(Http(**{"host": "127.0.0.1", "port": 0, **http}), folder)
    server = TcpServer(make_app(StandIn(folder, [account("a")]), door.token), door)
    running = asyncio.create_task(server.run())
    try:
        yield server, door
    finally:
        running.cancel()
        await server.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TcpServer]:
    """One whose token is known."""
    (tmp_path / "http-token").write_text(TOKEN)
    (tmp_path / "http-token").chmod(0o600)
    async with serving(tmp_path) as (one, _):
        yield one


async def ask(server: TcpServer, path: str, **headers: str) -> tuple[int, Any, Any]:
    """Return status, headers and body of an answer."""
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http,
        http.get(path, headers=headers) as response,
    ):
        return response.status, response.headers, await response.json()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_who_has_the_token_is_answered(server: TcpServer, scheme: str) -> None:
    """The name of the scheme may be written in any way (RFC 9110, 11.1)."""
    status, headers, body = await ask(server, "/v1/health", Authorization=f"{scheme} {TOKEN}")

    assert (status, body["name"]) == (200, "shops")
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "given",
    ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer 密"],
)
async def test_others_are_refused(server: TcpServer, given: str) -> None:
    """Every route, also one that is not there: what exists is nobody's business."""
    for path in ("/v1/health", "/v1/nothing", f"/v1/health?token={TOKEN}"):
        status, headers, body = await ask(server, path, Authorization=given)

        assert (status, body["error"]["code"]) == (401, "unauthorized")
        assert headers["WWW-Authenticate"] == 'Bearer realm="xyfleet"'


async def test_a_body_is_not_looked_at_without_the_token(server: TcpServer) -> None:
    """Nor is anything done."""
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http,
        http.post("/v1/accounts/stop", data=b'{"names": ["*"]}') as response,
    ):
        assert response.status == 401


async def test_operator_is_called_http(tmp_path: Path) -> None:
    """The kernel knows who is behind a Unix socket, of TCP only the token is known."""
    control = StandIn(tmp_path, [account("a")])
    door = open_listener(Http(host="127.0.0.1", port=0), tmp_path)
    server = TcpServer(make_app(control, door.token), door)
    running = asyncio.create_task(server.run())
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http,
        http.post(
            "/v1/accounts/stop",
            json={"names": ["a"]},
            headers={"Authorization": f"Bearer {door.token.reveal()}"},
        ) as response,
    ):
        assert response.status == 200
    running.cancel()
    await server.close()

    assert control.acts == [("stop", ["a"], "http")]


async def test_tls_is_spoken_when_there_is_a_certificate(tmp_path: Path) -> None:
    """And nothing else then."""
    async with serving(tmp_path, tls=Tls(cert=CERT, key=KEY)) as (server, door):
        headers = {"Authorization": f"Bearer {door.token.reveal()}"}
        trust = ssl.create_default_context(cafile=CERT)
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.get(f"https://127.0.0.1:{server.port}/v1/health", ssl=trust) as response:
                assert response.status == 200
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"http://127.0.0.1:{server.port}/v1/health")


def test_token_is_made_once(tmp_path: Path) -> None:
    """43 characters that need no quoting, for the owner's eyes only, the same ever after."""
    token = read_token(tmp_path / "http-token")
    mode = (tmp_path / "http-token").stat().st_mode

    assert len(token.reveal()) == 43
    assert token.reveal().replace("-", "a").replace("_", "a").isalnum()
    assert stat.S_IMODE(mode) == 0o600
    assert read_token(tmp_path / "http-token") == token
    assert read_token(tmp_path / "other") != token


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 42, b"x" * 42 + b" y", b"x" * 300, b"\xff" * 50])
def test_bad_token_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty token would let everybody in. The sentence names the file, not what is in it."""
    path = tmp_path / "http-token"
    path.write_bytes(content)
    with pytest.raises(ListenRefused, match="holds no token") as refused:
        read_token(path)

    assert str(path) in str(refused.value)
    assert "xxx" not in str(refused.value)
    assert path.read_bytes() == content


def test_token_that_others_can_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The owner may want it so, for a group of programs: it is only said."""
    path = tmp_path / "http-token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o640)
    with caplog.at_level(logging.WARNING):
        assert read_token(path) == Secret(TOKEN)

    assert f"chmod 600 {path}" in caplog.text


def test_token_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "http-token").mkdir()
    with pytest.raises(ListenRefused, match="it is not a plain file"):
        read_token(tmp_path / "http-token")


def test_port_in_use_is_refused(tmp_path: Path) -> None:
    """With the port and what to do; a port that was just given up is no trouble."""
    door = open_listener(Http(host="127.0.0.1", port=0), tmp_path)
    port = door.sockets[0].getsockname()[1]
    with pytest.raises(ListenRefused, match=f"port {port} of 127.0.0.1 .* is in use"):
        open_listener(Http(host="127.0.0.1", port=port), tmp_path)
    with socket.create_connection(("127.0.0.1", port)):
        door.close()
    open_listener(Http(host="127.0.0.1", port=port), tmp_path).close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.1"])
def test_address_that_is_not_ours_is_refused(tmp_path: Path, host: str) -> None:
    """A name that means nothing, an address of somebody else."""
    with pytest.raises(ListenRefused, match=rf"cannot listen on {host} port 9180"):
        open_listener(Http(host=host, port=9180), tmp_path)


def test_localhost_is_every_loopback_address(tmp_path: Path) -> None:
    """Also where there is no IPv6."""
    door = open_listener(Http(host="localhost", port=0), tmp_path)

    assert "127.0.0.1" in [one.getsockname()[0] for one in door.sockets]
    door.close()


def test_unusable_certificates_are_refused(tmp_path: Path) -> None:
    """Swapped files, rubbish, a key with a password: nobody is asked for one at the terminal."""
    (tmp_path / "rubbish.pem").write_text("rubbish")
    (tmp_path / "locked.pem").write_text(LOCKED_KEY)
    for cert, key in ((KEY, CERT), (tmp_path / "rubbish.pem", KEY), (CERT, tmp_path / "locked.pem")):
        with pytest.raises(ListenRefused, match=r"fleet\.tls can't be used"):
            open_listener(Http(host="127.0.0.1", port=0, tls=Tls(cert=cert, key=key)), tmp_path)


# A whole fleet.


@pytest.fixture
def fleet(tmp_path: Path, fresh_gateway: Gateway) -> Iterator[Fleet]:
    """One account, and a port."""
    one = Fleet(tmp_path, fresh_gateway.endpoint, fresh_gateway.token_url, accounts=1)
    with socket.create_server(("127.0.0.1", 0)) as found:
        one.config["fleet"]["http"] = f"127.0.0.1:{found.getsockname()[1]}"
    yield one
    one.close()


def health(fleet: Fleet) -> int:
    """Ask over TCP with the token of the file; return the status."""
    token = (fleet.folder / "state" / "http-token").read_text().strip()
    url = f"http://{fleet.config['fleet']['http']}/v1/health"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        ) as answer:
            json.load(answer)
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_fleet_serves_both_and_keeps_its_token(fleet: Fleet) -> None:
    """The file that the first start made is the token of the next one too."""
    path = fleet.folder / "state" / "http-token"
    with running(fleet):
        assert health(fleet) == 200
        assert fleet.status()["fleet"]["notes"] == []
        token = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    fleet.start()
    assert health(fleet) == 200
    assert path.read_text() == token
    assert token.strip() not in fleet.console() + fleet.own_log()


def test_a_fleet_that_cannot_have_its_port_does_not_start(fleet: Fleet) -> None:
    """The reason is one sentence, and nothing was started."""
    with socket.create_server(("127.0.0.1", int(fleet.config["fleet"]["http"].rpartition(":")[2]))):
        process = fleet.start(wait=False).process
        assert process is not None
        assert process.wait(20) == 1

    assert "is in use" in fleet.console()
    assert "Traceback" not in fleet.console()
