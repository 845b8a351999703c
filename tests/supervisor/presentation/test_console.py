"""The foreground console shows what happens, and never holds the fleet."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

import pytest

from support.standin import account, fleet
from xyfleet.supervisor.common.event_log import Event
from xyfleet.supervisor.control.status_schema import HeartbeatView, StatusView
from xyfleet.supervisor.presentation.console import MAX_LINES_PER_SECOND, PLAIN_EVERY, Console
from xyfleet.worker.causes import Cause
from xyfleet.worker.states import State


def event(account_name: str, new: str, old: str = "CONNECTING", **fields: Any) -> Event:
    return Event(id=1, time="2026-01-02T03:04:05Z", account=account_name, kind="state", old=old, new=new, **fields)


def view(up: int, all_: int, beats: int = 9) -> StatusView:
    accounts = [account(f"a{i}", heartbeat=HeartbeatView(sent=beats, answered=beats)) for i in range(up)]
    accounts += [account(f"b{i}", state=State.RECONNECTING, cause=Cause.NETWORK) for i in range(all_ - up)]
    return StatusView(fleet=fleet(), accounts=accounts)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def console(
    stream: TextIO, *, is_tty: bool = False, clock: Callable[[], float] = time.monotonic, **more: Any
) -> Console:
    return Console(stream, is_tty=is_tty, language="en", zone=None, clock=clock, **more)


def shown(use: Callable[[Console], None], **more: Any) -> str:
    stream = io.StringIO()
    one = console(stream, **more)
    use(one)
    one.close()
    return stream.getvalue()


def test_event_is_a_line() -> None:
    """Account and news stand in one line."""
    text = shown(lambda one: one.event(event("shop-1", "CONNECTED", label="旗舰店")))

    assert text.endswith("  shop-1 (旗舰店)  connected\n")
    assert "\x1b" not in text


def test_simulator_is_said_first() -> None:
    """The first words are that nothing is real."""
    assert shown(lambda one: None, simulator=True).startswith("SIMULATOR")


def test_plain_summary_comes_with_news_and_now_and_then() -> None:
    """Without a terminal, the line is repeated when the connected ones change, else after a while."""
    clock = Clock()

    def use(one: Console) -> None:
        one.summary(view(1, 3))
        one.summary(view(1, 3, beats=10))
        one.summary(view(2, 3))
        clock.now += PLAIN_EVERY
        one.summary(view(2, 3, beats=11))

    lines = shown(use, clock=clock).splitlines()

    assert [line.partition(" · ")[0] for line in lines] == ["connected 1 of 3", "connected 2 of 3", "connected 2 of 3"]


def test_terminal_summary_is_updated_in_place() -> None:
    """On a terminal the line is drawn over itself, and events are inserted above it."""

    def use(one: Console) -> None:
        one.summary(view(1, 2))
        one.summary(view(1, 2))
        one.event(event("shop-1", "CONNECTED"))
        one.summary(view(2, 2))

    text = shown(use, is_tty=True)

    assert text.count("connected 1 of 2") == 2
    assert text.count("\r\x1b[K") == 3
    assert text.count("\n") == 2
    assert text.endswith("connected 2 of 2 · heartbeats answered 18 of 18\n")


def test_large_fleet_does_not_tell_each_smooth_start() -> None:
    """Of many accounts only the troubled ones are told, and their recovery."""

    def use(one: Console) -> None:
        one.event(event("a", "CONNECTING", "DISCONNECTED"))
        one.event(event("a", "CONNECTED"))
        one.event(event("b", "RECONNECTING", "CONNECTED", cause="network"))
        one.event(event("b", "CONNECTED"))
        one.event(event("b", "CONNECTED"))

    told = shown(use, accounts=100).splitlines()

    assert [line.split("  ")[1] for line in told] == ["b", "b"]


def test_flood_of_events_is_counted() -> None:
    """More than can be read in a second becomes one line, and the next second shows events again."""
    clock = Clock()

    def use(one: Console) -> None:
        for i in range(MAX_LINES_PER_SECOND + 30):
            one.event(event(f"a{i}", "FAILED", "RECONNECTING", cause="network"))
        clock.now += 1
        one.event(event("later", "FAILED", "RECONNECTING", cause="network"))

    text = shown(use, clock=clock)

    assert text.count("FAILED") == MAX_LINES_PER_SECOND + 1
    assert "… and 30 more events" in text


def test_held_terminal_does_not_hold_the_fleet() -> None:
    """A terminal that takes nothing costs the caller no time; when it goes on, the newest state is shown."""
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as stream, os.fdopen(read_end, "rb") as reader:
        one = console(stream, clock=Clock())
        began = time.monotonic()
        for i in range(5000):
            one.say("x" * 200 + str(i))
        assert time.monotonic() - began < 1
        drain = threading.Thread(target=lambda: [None for _ in iter(lambda: reader.read1(65536), b"")])
        drain.start()
        one.close()
        stream.close()
        drain.join()


def wait_until_gone(one: Console) -> None:
    deadline = time.monotonic() + 5
    while not one.gone and time.monotonic() < deadline:
        time.sleep(0.01)
    assert one.gone


def test_terminal_that_goes_away_is_noticed() -> None:
    """After the terminal is gone, nothing is written and nothing breaks."""
    read_end, write_end = os.pipe()
    stream = os.fdopen(write_end, "w")
    os.close(read_end)
    one = console(stream)
    one.say("hello")
    wait_until_gone(one)
    one.say("again")
    one.close(0.1)

    with pytest.raises(BrokenPipeError):
        stream.close()


def test_closed_stream_is_a_terminal_that_went_away() -> None:
    """Whoever closes the stream under the console does no harm."""
    stream = io.StringIO()
    stream.close()
    one = console(stream)
    one.say("hello")
    wait_until_gone(one)
