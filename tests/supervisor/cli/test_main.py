"""The command line as a whole: help, languages, exit codes, finding the fleet."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from pathlib import Path

import pytest

from support.standin import PROGRAM, StandIn, account, begin, environment, records_folder, run, serving
from xyfleet.supervisor.api.registry import write_record
from xyfleet.supervisor.cli.main import COMMANDS
from xyfleet.worker.version import VERSION

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.mark.pythons
async def test_version(tmp_path: Path) -> None:
    """The version is one line."""
    ended = await run(tmp_path, "--version")

    assert (ended.code, ended.out) == (0, f"xyfleet {VERSION}\n")


@pytest.mark.pythons
async def test_help_names_every_command(tmp_path: Path) -> None:
    """All commands are listed with a line that is not cut off."""
    ended = await run(tmp_path, "--help")

    assert ended.code == 0
    lines = ended.out.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in lines[1 : len(COMMANDS) + 1]] == list(COMMANDS)
    assert "..." not in "".join(lines)


HELPS = """
from xyfleet.supervisor.cli.main import COMMANDS, main
for words in ([], *([command] for command in COMMANDS)):
    print("==", *words)
    assert main([*words, "--help", "--lang", "zh"]) == 0
"""
"""All in one process: a start is nine tenths of what one takes."""


async def test_chinese_help_has_no_english_sentence(tmp_path: Path) -> None:
    """Help is translated as a whole, click's own words too; only names and placeholders stay."""
    pipe = asyncio.subprocess.PIPE
    words = [*PROGRAM[:2], HELPS]
    process = await asyncio.create_subprocess_exec(*words, env=environment(tmp_path), stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), 30)

    assert (process.returncode, err) == (0, b"")
    helps = [one.splitlines() for one in out.decode().split("==")[1:]]
    assert [name.strip() for name, *_ in helps] == ["", *COMMANDS]
    for name, usage, *rest in helps:
        assert "用法" in usage, name
        for line in rest:
            assert not line.strip() or CHINESE.search(line), (name, line)


@pytest.mark.parametrize(
    ("words", "english", "chinese"),
    [
        (["xyzzy"], "No such command 'xyzzy'.", "没有 'xyzzy' 这个命令。"),
        (["statsu"], "did you mean status?", "是不是想用 status？"),
        (["status", "--jsn"], "No such option '--jsn'", "没有 '--jsn' 这个选项"),
        (["login"], "Missing argument 'NAME'", "缺少参数 'NAME'"),
        (["reload", "x"], "unexpected extra argument", "多出来的参数"),
        (["status", "--max-down"], "requires an argument", "需要 1 个值"),
        (["status", "--max-down", "x%"], "neither a number nor a share", "既不是数字"),
        (["simulate", "--port", "99999"], "not in the range", "不在范围"),
        (["--lang", "fr", "status"], "is not one of", ""),
        (["restart"], "Missing argument", "缺少参数"),
    ],
)
async def test_wrong_usage_is_2_in_both_languages(tmp_path: Path, words: list[str], english: str, chinese: str) -> None:
    """Wrong words are told apart from a failure, and say what is wrong."""
    ended = await run(tmp_path, *words)

    assert ended.code == 2
    assert english in ended.err
    if chinese:
        ended = await run(tmp_path, "--lang", "zh", *words)
        assert ended.code == 2
        assert chinese in ended.err


async def test_language_comes_from_the_environment(tmp_path: Path) -> None:
    """A Chinese terminal needs no option."""
    assert CHINESE.search((await run(tmp_path, "status", LANG="zh_CN.UTF-8")).err)
    assert not CHINESE.search((await run(tmp_path, "status", LANG="de_DE.UTF-8")).err)
    assert not CHINESE.search((await run(tmp_path, "--lang=en", "status", LANG="zh_CN.UTF-8")).err)


async def test_fleet_language_beats_the_environment(tmp_path: Path) -> None:
    """What `fleet.language` says holds in every terminal, unless it is asked for otherwise."""
    async with serving(StandIn(tmp_path, [account("a")]), language="zh"):
        assert CHINESE.search((await run(tmp_path, "status")).out)
        assert not CHINESE.search((await run(tmp_path, "status", "--lang", "en")).out)


@pytest.mark.parametrize("command", ["status", "stop", "reload", "events", "restart x", "login x", "logs x"])
async def test_no_fleet_is_7(tmp_path: Path, command: str) -> None:
    """Every command that needs a fleet says that none runs."""
    ended = await run(tmp_path, *command.split(), stdin=b"unb=1")

    assert (ended.code, ended.out) == (7, "")
    assert "no fleet is running" in ended.err


async def test_stale_record_is_no_fleet(tmp_path: Path) -> None:
    """What a killed supervisor left is not taken for a running one."""
    async with serving(StandIn(tmp_path)) as record:
        pass
    write_record(record, records_folder(tmp_path))

    assert (await run(tmp_path, "status")).code == 7


async def test_fleet_is_chosen(tmp_path: Path) -> None:
    """By option before or behind the command, by environment, by name or by file."""
    async with serving(StandIn(tmp_path, [account("a")]), file=str(tmp_path / "shops.yml")):
        path = str(tmp_path / "shops.yml")
        for words in (["--fleet", "shops", "status"], ["status", "--fleet", path], ["status", f"--fleet={path}"]):
            assert (await run(tmp_path, *words)).code == 0
        assert (await run(tmp_path, "status", XYFLEET_FLEET="shops")).code == 0
        assert (await run(tmp_path, "status", XYFLEET_FLEET="other")).code == 7
        assert (await run(tmp_path, "--fleet", "shops", "status", XYFLEET_FLEET="other")).code == 0


async def test_several_fleets_are_listed(tmp_path: Path) -> None:
    """When it is unclear which fleet is meant, nothing is guessed."""
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    async with serving(StandIn(one, name="one")) as first, serving(StandIn(two, name="two")) as second:
        for record in (first, second):
            write_record(record, records_folder(tmp_path))
        ended = await run(tmp_path, "status")

    assert ended.code == 2
    assert "one, two" in ended.err


async def test_silent_supervisor_is_4(tmp_path: Path) -> None:
    """A frozen supervisor is told apart from one that is not there, within seconds."""
    async with serving(StandIn(tmp_path)) as record:
        frozen = tmp_path / "frozen.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(frozen))
            listener.listen()
            write_record(record._replace(socket=str(frozen)), records_folder(tmp_path))
            ended = await run(tmp_path, "status")
        write_record(record._replace(socket=str(tmp_path / "gone.sock")), records_folder(tmp_path))
        gone = await run(tmp_path, "status")

    assert (ended.code, gone.code) == (4, 4)
    assert "(timeout)" in ended.err
    assert "does not answer" in gone.err


@pytest.mark.pythons
async def test_reader_that_has_seen_enough_is_no_fault(tmp_path: Path) -> None:
    """`xyfleet status | head -1` ends without a word."""
    async with serving(StandIn(tmp_path, [account(f"a{i}", label="x" * 30) for i in range(1000)])):
        process = await asyncio.create_subprocess_shell(
            f"{PROGRAM[0]} -c '{PROGRAM[2]}' status | head -n 1",
            env=environment(tmp_path),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()

    assert out.startswith(b"shops")
    assert err == b""


@pytest.mark.pythons
async def test_interrupt_is_quiet(tmp_path: Path) -> None:
    """Ctrl-C ends a command without a traceback, with the shell's own code."""
    control = StandIn(tmp_path, [account("a")])
    async with serving(control):
        control.events.add("message", time=0, reason="hello")
        process = await begin(tmp_path, "events", "-f")
        assert process.stdout is not None
        assert b"hello" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()

    assert process.returncode == 130
    assert b"Traceback" not in out + err


@pytest.mark.pythons
async def test_narrow_encoding_is_no_fault(tmp_path: Path) -> None:
    """A GBK terminal gets a question mark for each sign that it lacks."""
    async with serving(StandIn(tmp_path, [account("a", label="旗舰店 ✂")])):
        process = await begin(tmp_path, "status", PYTHONIOENCODING="gbk")
        out, _ = await process.communicate()

    assert process.returncode == 0
    assert "a 旗舰店 ?" in out.decode("gbk")
