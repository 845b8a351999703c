"""A fleet with an open port, and clients without its token that send what is no HTTP."""

from __future__ import annotations

import socket
from pathlib import Path

from support.fleet import Fleet, running
from support.gateway import Gateway

MALFORMED = b"GET /v1/health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer MARKTOKEN1\0\r\n\r\n"
REQUESTS = 1000


def test_malformed_requests_push_nothing_out_of_the_log(gateway: Gateway, tmp_path: Path) -> None:
    """What was logged before a flood is there after it, and what was sent is neither logged nor answered (B8, B9)."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    fleet.config["fleet"]["http"] = f"127.0.0.1:{port}"
    with running(fleet):
        before = fleet.own_log().splitlines()[0]
        size = len(fleet.own_log())
        answers = set()
        for _ in range(REQUESTS):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(MALFORMED)
                answers.add(client.makefile("rb").read().partition(b"\r\n\r\n")[2])
        log = fleet.own_log()

    assert answers == {b'{"error":{"code":"bad_request","message":"this is no HTTP that can be read"}}'}
    assert log.splitlines()[0] == before
    assert len(log) - size < 1000
    assert "MARKTOKEN1" not in log + fleet.console()
