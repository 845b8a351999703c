"""The API's client for the command line: HTTP/1.0 over a Unix socket. Shell.

Every command waits for these imports, so there are few: `http.client` alone, with `email` and `ssl` behind it, took
20 of the 80 ms that `status --json` may take. HTTP/1.0 has no chunks and one answer a connection, so little is needed.

* ClientError
    * NoAnswer
        * OtherUser
        * OtherFleet
    * Refused
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import quote, urlencode

ANSWER_TIMEOUT: Final = 5.0
"""Seconds in which a supervisor that is well has answered long since."""
MAX_HEAD_LINE: Final = 8192

Query = dict[str, str | list[str]]


class ClientError(Exception):
    """The fleet did not do what was asked."""


class NoAnswer(ClientError):
    """The socket is gone, refuses, stays silent or breaks off."""

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(path, why)


class OtherUser(NoAnswer):
    """Who listens is a user that is not believed; nothing was said to him."""

    def __init__(self, path: str, uid: int) -> None:
        self.uid = uid
        super().__init__(path, f"uid {uid}")


class OtherFleet(NoAnswer):
    """Another fleet listens there; nothing was done by it, and its answer is thrown away."""

    def __init__(self, path: str, name: str) -> None:
        self.name = name
        super().__init__(path, name)


class Refused(ClientError):
    """The fleet's own refusal, in the language asked for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(status, code, message)


class Answer(NamedTuple):
    """A good answer."""

    body: bytes
    down: tuple[int, int]
    """Accounts not connected that should be, and those that should be; (0, 0) where the answer does not say."""
    headers: dict[str, str]
    """All headers; names in lower case."""


class Peer(NamedTuple):
    """Who is to answer."""

    fleet: str
    """The fleet's name."""
    users: frozenset[int]
    """The users who may listen."""


class Client:
    """
    Speaks to one fleet. Every request has its own connection.

    Args:
        peer: Who is to answer: nothing is said to another user, nothing asked of another fleet but questions, whose
            answers nobody gets to see; None = whoever has the socket.
    """

    def __init__(self, path: str, language: str, timeout: float = ANSWER_TIMEOUT, *, peer: Peer | None = None) -> None:
        self._path = path
        self._language = language
        self._timeout = timeout
        self._peer = peer
        self._known: int | None = None
        """The process that has said the right name; another one is asked again."""

    def get(self, path: str, **query: str | list[str]) -> Answer:
        """Return the answer to a GET. Raises `ClientError`."""
        return self._answer(self._request("GET", path, query), self._timeout)

    def post(self, path: str, body: object = None, *, timeout: float | None = None) -> Any:
        """Return the JSON answer to a POST, waiting `timeout` seconds instead of the usual ones. `ClientError`."""
        data = b"" if body is None else json.dumps(body).encode()
        return json.loads(self._answer(self._request("POST", path, {}, data), timeout or self._timeout).body)

    def lines(self, path: str, silence: float | None = None, **query: str | list[str]) -> Iterator[bytes]:
        """
        Yield the lines of a stream as they come, for as long as it lasts. Raises `ClientError`.

        Args:
            silence: Seconds without a byte after which a stream that has beats is given up.
        """
        yield from self._stream(self._request("GET", path, query), self._timeout, silence)

    def told(self, path: str, body: object, *, timeout: float, silence: float) -> Generator[bytes]:
        """Yield the lines of the stream that a POST is answered with, the first within `timeout`; as `lines`."""
        yield from self._stream(self._request("POST", path, {}, json.dumps(body).encode()), timeout, silence)

    def _stream(self, request: bytes, timeout: float, silence: float | None) -> Iterator[bytes]:
        with self._asked(request, timeout) as (connection, _, stream):
            connection.settimeout(silence)  # without beats silence only means that nothing happens
            yield from stream

    def _request(self, method: str, path: str, query: Query, data: bytes = b"") -> bytes:
        target = quote(path) + ("?" + urlencode(query, doseq=True) if query else "")
        head = f"{method} {target} HTTP/1.0\r\nAccept-Language: {self._language}\r\nContent-Length: {len(data)}\r\n\r\n"
        return head.encode("ascii") + data

    def _answer(self, request: bytes, timeout: float) -> Answer:
        with self._asked(request, timeout) as (_, headers, stream):
            body = stream.read()
            if len(body) != int(headers["content-length"]):
                raise ConnectionResetError("broke off")
            missing, _, wanted = headers.get("x-xyfleet-down", "0/0").partition("/")
            return Answer(body, (int(missing), int(wanted)), headers)

    def _listening(self, connection: socket.socket) -> int:
        """Return the process that listens at the other end. Raises `OtherUser`."""
        pid, uid = _listener(connection)
        if self._peer is not None and uid not in self._peer.users:
            raise OtherUser(self._path, uid)
        return pid

    def _make_sure(self, pid: int, name: str | None = None) -> None:
        """Raise `OtherFleet` if this process is another fleet's; unless its answer gave its `name`, it is asked."""
        if self._peer is None or pid == self._known:
            return
        name = name or str(json.loads(self._stranger(pid).get("/v1/health").body)["name"])
        if name != self._peer.fleet:
            raise OtherFleet(self._path, name)
        self._known = pid

    def _stranger(self, pid: int) -> Client:
        """Return a client that speaks to this process whatever its name is."""
        assert self._peer is not None
        client = Client(self._path, self._language, self._timeout, peer=self._peer)
        client._known = pid
        return client

    @contextmanager
    def _asked(self, request: bytes, timeout: float) -> Iterator[tuple[socket.socket, dict[str, str], BinaryIO]]:
        """Send a request, and give the connection, the answer's headers and the stream of its body."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            try:
                connection.connect(self._path)
                pid = self._listening(connection)
                if not request.startswith(b"GET "):
                    self._make_sure(pid)  # a question may be asked of another fleet too, and its answer thrown away
                connection.sendall(request)
                with connection.makefile("rb") as stream:
                    status, headers = _head(stream)
                    self._make_sure(pid, headers.get("x-xyfleet-fleet"))
                    if status >= 400:
                        raise _refusal(status, stream.read())
                    yield connection, headers, stream
            except TimeoutError:
                raise NoAnswer(self._path, "timeout") from None
            except (OSError, ValueError, KeyError, TypeError) as error:
                why = error.strerror if isinstance(error, OSError) and error.strerror else "the answer is cut short"
                raise NoAnswer(self._path, why) from None


def _listener(connection: socket.socket) -> tuple[int, int]:
    """Return the process and the user that listen at the other end: the kernel's word, not theirs."""
    credentials = struct.Struct("3i")
    pid, uid, _gid = credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size))
    return pid, uid


def _head(stream: BinaryIO) -> tuple[int, dict[str, str]]:
    """Return an answer's status and headers, or raise `ValueError`."""
    version, status, *_ = stream.readline(MAX_HEAD_LINE).decode("ascii").split()
    if not version.startswith("HTTP/"):
        raise ValueError(version)
    headers = {}
    while line := stream.readline(MAX_HEAD_LINE).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return int(status), headers


def _refusal(status: int, body: bytes) -> Refused:
    try:
        error = json.loads(body)["error"]
        return Refused(status, error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        return Refused(status, "unreadable", f"HTTP {status}")
