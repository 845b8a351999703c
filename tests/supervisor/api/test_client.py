"""The client of the command line, against real sockets that behave and that do not."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xyfleet.supervisor.api.client import Client, NoAnswer, Refused

OK = b"HTTP/1.1 200 OK\r\nX-Xyfleet-Down: 2/5\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}'
REFUSAL = b'{"error": {"code": "unknown_account", "message": "no account fits: x"}}'


@contextmanager
def server(path: Path, serve: Callable[[socket.socket, bytes], None]) -> Iterator[list[bytes]]:
    """Accept one connection, read its request, and let `serve` do what it wants."""
    requests: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                requests.append(connection.recv(65536))
                serve(connection, requests[0])

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield requests
        finally:
            thread.join()


def sending(data: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_get_returns_body_and_counts(path: Path) -> None:
    """The body comes unread, the counts from the header; query and language are sent."""
    with server(path, sending(OK)) as requests:
        answer = Client(str(path), "zh").get("/v1/status", name=["shop 1", "@t&x"])

    assert answer.body == b'{"a":1}'
    assert answer.down == (2, 5)
    head = requests[0].decode()
    assert head.startswith("GET /v1/status?name=shop+1&name=%40t%26x HTTP/1.0\r\n")
    assert "Accept-Language: zh\r\n" in head


def test_post_sends_and_returns_json(path: Path) -> None:
    """A body goes out as JSON, the answer comes back as values."""
    with server(path, sending(OK)) as requests:
        assert Client(str(path), "en").post("/v1/login", {"name": "店"}) == {"a": 1}

    assert requests[0].endswith(b'{"name": "\\u5e97"}')


def test_refusal_keeps_code_and_message(path: Path) -> None:
    """The fleet's own words reach the caller."""
    reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(REFUSAL) + REFUSAL
    with server(path, sending(reply)), pytest.raises(Refused) as error:
        Client(str(path), "en").get("/v1/status")

    assert (error.value.status, error.value.code, error.value.message) == (404, "unknown_account", "no account fits: x")


def test_unreadable_refusal_is_still_one(path: Path) -> None:
    """What is no JSON is shown by its status."""
    with server(path, sending(b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno")), pytest.raises(Refused) as error:
        Client(str(path), "en").get("/v1/status")

    assert error.value.message == "HTTP 500"


@pytest.mark.parametrize(
    "reply", [b"", b"garbage\r\n\r\n", b"SSH-2.0 x\r\n\r\n", b"\xff", b"HTTP/1.1 200 OK\r\n\r\n", OK[:-1], OK[:20]]
)
def test_broken_answer_is_no_answer(path: Path, reply: bytes) -> None:
    """A supervisor that dies while answering is one that does not answer."""
    with server(path, sending(reply)), pytest.raises(NoAnswer):
        Client(str(path), "en").get("/v1/status")


def test_missing_and_dead_sockets_are_no_answer(path: Path) -> None:
    """Both a removed file and one without a listener say why."""
    with pytest.raises(NoAnswer) as gone:
        Client(str(path), "en").get("/v1/health")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NoAnswer) as refused:
        Client(str(path), "en").get("/v1/health")

    assert (gone.value.why, refused.value.why) == ("No such file or directory", "Connection refused")


def test_silent_supervisor_is_given_up_in_time(path: Path) -> None:
    """A frozen supervisor still accepts; the timeout ends the wait."""
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(path))
        frozen.listen()
        began = time.monotonic()
        with pytest.raises(NoAnswer) as error:
            Client(str(path), "en", timeout=0.2).get("/v1/health")

    assert error.value.why == "timeout"
    assert time.monotonic() - began < 2


def test_stream_yields_lines_until_its_end(path: Path) -> None:
    """Lines come one by one, also when they arrive in pieces, and silence between them is no timeout."""

    def serve(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n{}\n{")
        time.sleep(0.4)
        connection.sendall(b"}\n")

    with server(path, serve):
        assert list(Client(str(path), "en", timeout=0.2).lines("/v1/events", follow="1")) == [b"{}\n", b"{}\n"]


def test_client_imports_nothing_heavy() -> None:
    """Every command pays for these imports."""
    code = "import sys, xyfleet.supervisor.api.client; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"aiohttp", "msgspec", "asyncio", "click", "yaml"} & set(modules)
