"""Stands between xyfleet and the gateway, and keeps every byte that xyfleet sends. Threads and sockets alone."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

_END = b"\r\n\r\n"


class Recorder:
    """Passes connections on to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._sent: list[bytearray] = []
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            kept = bytearray()
            self._sent.append(kept)
            self._sockets += [client, server]
            for pair in ((client, server, kept), (server, client, None)):
                self._threads.append(threading.Thread(target=_pass_on, args=pair))
                self._threads[-1].start()

    def requests(self) -> list[Request]:
        """Return every HTTP request, the handshakes with the frames behind them."""
        return [request for kept in self._sent for request in _requests(bytes(kept))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._sockets:
            _shut(each)
        for thread in self._threads:
            thread.join(5)
        for each in self._sockets:
            each.close()


def _requests(data: bytes) -> list[Request]:
    found = []
    while _END in data:
        found.append(Request(data))
        data = found[-1].behind
    return found


def _pass_on(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
    while True:
        try:
            data = source.recv(65536)
            if kept is not None:
                kept += data
            if not data:
                break
            target.sendall(data)
        except OSError:
            break
    _shut(target)


def _shut(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is over already


class Request:
    """The first request of some bytes; of a handshake with the frames after it."""

    def __init__(self, data: bytes) -> None:
        head, _, self._rest = data.partition(_END)
        line, *fields = head.decode().split("\r\n")
        self.method, target, _version = line.split(" ")
        self.path = urlsplit(target).path
        self.query = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        self.headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in fields)}
        self.doubles = len(fields) - len(self.headers)
        upgraded = "upgrade" in self.headers
        self.behind = b"" if upgraded else self._rest[int(self.headers.get("content-length", "0")) :]
        """What came after it on the same connection."""

    def frames(self) -> list[dict[str, Any]]:
        """Return the text frames of a handshake's connection."""
        found, rest = [], self._rest
        while len(rest) >= 6:
            size, at = rest[1] & 0x7F, 2
            if size > 125:
                width = 2 if size == 126 else 8
                size, at = int.from_bytes(rest[2 : 2 + width]), 2 + width
            mask, text = rest[at : at + 4], rest[at + 4 : at + 4 + size]
            if rest[0] & 0x0F == 1 and len(text) == size:
                found.append(json.loads(bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))))
            rest = rest[at + 4 + size :]
        return found
