"""`xyfleet status`: text, JSON, exit codes, and the time it takes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from support.standin import PROGRAM, StandIn, account, environment, failed, run, serving
from support.terminal import terminal
from xyfleet.worker.causes import Cause

FOUR = [account("a", tags=("t",)), account("b"), account("c"), failed("d", Cause.NETWORK, label="旗舰店")]


async def test_text_in_a_pipe(tmp_path: Path) -> None:
    """A pipe gets text without colours, in the fleet's time zone, troubled accounts first."""
    async with serving(StandIn(tmp_path, FOUR)):
        ended = await run(tmp_path, "status")

    assert ended.code == 3
    assert "\x1b" not in ended.out
    assert ended.out.splitlines()[3].startswith("d 旗舰店")
    assert "01-02 11:04:05" in ended.out


async def test_json_is_the_servers_answer(tmp_path: Path) -> None:
    """Programs get all fields, in the file's order, with advice in the language asked for."""
    async with serving(StandIn(tmp_path, FOUR)):
        english, chinese = await run(tmp_path, "status", "--json"), await run(tmp_path, "status", "--json", "--lang=zh")

    view = json.loads(english.out)
    assert english.code == 3
    assert [one["name"] for one in view["accounts"]] == ["a", "b", "c", "d"]
    assert view["fleet"]["states"] == {"CONNECTED": 3, "FAILED": 1}
    assert view["accounts"][3]["advice"].startswith("The server could not")
    assert json.loads(chinese.out)["accounts"][3]["advice"].startswith("连不上服务器")


async def test_names_choose_and_strangers_are_2(tmp_path: Path) -> None:
    """The exit code is about the chosen accounts."""
    async with serving(StandIn(tmp_path, FOUR)):
        chosen = await run(tmp_path, "status", "@t", "b", "--json")
        stranger = await run(tmp_path, "status", "a", "nobody")

    assert chosen.code == 0
    assert [one["name"] for one in json.loads(chosen.out)["accounts"]] == ["a", "b"]
    assert (stranger.code, stranger.out) == (2, "")
    assert "no account fits: nobody" in stranger.err


@pytest.mark.parametrize(("max_down", "code"), [("0", 3), ("0.9", 3), ("1", 0), ("24%", 3), ("25%", 0), ("100%", 0)])
async def test_max_down_moves_the_exit_code(tmp_path: Path, max_down: str, code: int) -> None:
    """One of four is down: 25 %."""
    async with serving(StandIn(tmp_path, FOUR)):
        assert (await run(tmp_path, "status", "--json", "--max-down", max_down)).code == code


@pytest.mark.parametrize("max_down", ["-1", "x", "nan", "inf", "%", "1%%"])
async def test_max_down_refuses_nonsense(tmp_path: Path, max_down: str) -> None:
    """What is no number is wrong usage."""
    assert (await run(tmp_path, "status", "--max-down", max_down)).code == 2


async def test_answer_of_another_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A status that this version can't read is named, and --json still passes it on."""
    head = b"HTTP/1.1 200 OK\r\nX-Xyfleet-Down: 0/1\r\nContent-Length: %d\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        body = b'{"name": "shops"}' if b"/v1/health" in asked else b'{"fleet": {}'
        writer.write(head % len(body) + body)
        writer.close()
        await writer.wait_closed()

    other = tmp_path / "other.sock"
    async with serving(StandIn(tmp_path), socket=str(other)), await asyncio.start_unix_server(answer, other):
        text, passed_on = await run(tmp_path, "status"), await run(tmp_path, "status", "--json")

    assert text.code == 1
    assert "another version" in text.err
    assert (passed_on.code, passed_on.out) == (0, '{"fleet": {}\n')


async def test_terminal_gets_colours(tmp_path: Path) -> None:
    """On a terminal states have colours."""
    async with serving(StandIn(tmp_path, FOUR)):
        with terminal(tmp_path, "status") as screen:
            assert await screen.end() == 3

    assert b"\x1b[32mCONNECTED" in screen.text


async def test_watch_redraws_and_leaves_the_screen_as_it_was(tmp_path: Path) -> None:
    """Pictures are drawn over each other on a screen of their own, cut to its size; Ctrl-C gives the old one back."""
    control = StandIn(tmp_path, [account(f"a{i}") for i in range(30)])
    async with serving(control):
        with terminal(tmp_path, "status", "--watch") as screen:
            await screen.until(b"more lines")
            first = screen.text
            control.fleet = msgspec.structs.replace(control.fleet, notes=["news"])
            await screen.until(b"! news")
            await screen.type("\x03")
            assert await screen.end() == 130

    assert first.startswith(b"\x1b[?1049h")
    assert first.count(b"\r\n") == 7
    assert b"\x1b[2J" not in screen.text
    assert b"\x1b[?1049l" in screen.text


async def test_watch_ends_when_the_fleet_does(tmp_path: Path) -> None:
    """Nobody watches a fleet that is gone."""
    async with serving(StandIn(tmp_path, FOUR)):
        with terminal(tmp_path, "status", "--watch") as screen:
            await screen.until(b"shops")
            os.unlink(tmp_path / "control.sock")
            assert await screen.end() == 4


def test_json_path_imports_nothing_heavy() -> None:
    """What a script asks for all day costs no parser, no HTTP server, no table."""
    code = "import sys, xyfleet.supervisor.cli.main, xyfleet.supervisor.cli.status; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"aiohttp", "msgspec", "asyncio", "yaml", "wcwidth", "zoneinfo", "importlib.metadata"} & set(modules)


@pytest.mark.timing
@pytest.mark.parametrize(("count", "bound"), [(200, 0.16), (1000, 0.24)])
async def test_json_is_fast(tmp_path: Path, count: int, bound: float) -> None:
    """The whole command costs at most twice the CPU time of its goal; the goal itself is scripts/bench's to measure."""
    env = environment(tmp_path)
    async with serving(StandIn(tmp_path, [account(f"shop-{i:04}", label="旗舰店") for i in range(count)])):
        times = [await asyncio.to_thread(_cpu_time, env) for _ in range(11)]

    assert min(times) < bound, times


def _cpu_time(env: dict[str, str]) -> float:
    null = os.open(os.devnull, os.O_WRONLY)
    words = [*PROGRAM, "status", "--json"]
    pid = os.posix_spawn(words[0], words, env, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
    os.close(null)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime
