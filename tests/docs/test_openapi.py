"""docs/openapi.json is what the code says, and the running API is what it says: asked with schemathesis."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.lib.api_routes import REFUSALS, ROUTES
from scripts.lib.openapi import FILE, render, routes
from support.docfleet import documented
from support.fleet import Fleet, running
from support.gateway import Gateway
from support.places import DOCS, REPOSITORY
from support.standin import StandIn
from xyfleet.supervisor.api.routes import make_app
from xyfleet.supervisor.api.tcp_listener import open_listener
from xyfleet.supervisor.api.tcp_server import TcpServer
from xyfleet.supervisor.settings import Http


def test_the_file_in_the_repository_is_what_the_code_says() -> None:
    """Run `python -m scripts.lib.openapi` after a change of a route or of a type that it reads or answers."""
    assert render() == (REPOSITORY / FILE).read_text(encoding="utf-8")


def test_every_route_is_described() -> None:
    """No route is left out, none is invented."""
    assert sorted(f"{method} {path}" for method, path in routes()) == sorted(ROUTES)


def test_every_code_is_explained() -> None:
    """The pages for people name each code that the description has."""
    pages = (DOCS / "api.md").read_text("utf-8") + (DOCS / "handlers.md").read_text("utf-8")
    codes = {code for refusal in REFUSALS.values() for code in refusal.codes}

    assert [code for code in sorted(codes) if f"`{code}`" not in pages] == []


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve the document's fleet on a free port, in a thread with a loop of its own; give address and token."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    found: list[str] = []

    async def serve() -> None:
        door = open_listener(Http(host="127.0.0.1", port=0), folder)
        server = TcpServer(make_app(any_id(documented(folder)), door.token), door)
        found.extend((f"http://127.0.0.1:{server.port}", door.token.reveal()))
        ready.set()
        try:
            await server.run()
        finally:
            await server.close()

    task = loop.create_task(serve())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    assert ready.wait(10)
    try:
        yield found[0], found[1]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def any_id(fleet: StandIn) -> StandIn:
    """Have it answer questions about whatever id."""
    fleet.answers |= {key.rstrip("0123456789"): answer for key, answer in fleet.answers.items()}
    return fleet


NOT_OF_A_FLEET = {"/v1/stop", "/v1/login/qr"}
"""What would end a fleet, and what takes a person."""


@pytest.mark.long
@pytest.mark.timeout(300)
def test_all_answers_are_as_described(tmp_path: Path) -> None:
    """Many requests to each route, right and wrong ones, get the answers that are described."""
    from support.api_questions import ask  # a second of imports, for long tests alone

    with served(tmp_path) as (address, token):
        ask(address, token, ["shop-001", "shop-002"], 8)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_running_fleet_answers_as_described(gateway: Gateway, tmp_path: Path) -> None:
    """So do the supervisor, its workers and the gateway; and nobody is hurt by what was asked."""
    from support.api_questions import ask  # a second of imports, for long tests alone

    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 2)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    fleet.config["fleet"]["http"] = f"127.0.0.1:{port}"
    with running(fleet):
        fleet.wait_connected()
        token = (tmp_path / "state" / "http-token").read_text().strip()
        ask(f"http://127.0.0.1:{port}", token, ["a0", "a1"], 3, but=NOT_OF_A_FLEET)
        assert fleet.answers()
    assert "fault while answering" not in fleet.own_log()
