"""`xyfleet logs`: the end of a log, and what follows, over rotations."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from support.standin import StandIn, account, begin, run, serving
from support.terminal import terminal


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, [account("a")])


@pytest.mark.parametrize("count", [0, 1, 50, 51, 5000])
async def test_last_lines(control: StandIn, count: int) -> None:
    """At most 50 lines are shown, whole ones, of a file of any size."""
    lines = [f"line {i} 心跳包已发送 {'x' * 90}\n" for i in range(count)]
    (control.folder / "a.log").write_text("".join(lines))
    async with serving(control):
        ended = await run(control.folder, "logs", "a")

    assert (ended.code, ended.out) == (0, "".join(lines[-50:]))


async def test_no_log_yet_is_no_failure(control: StandIn) -> None:
    """A log file is made with its first line."""
    async with serving(control):
        ended = await run(control.folder, "logs", "a")

    assert (ended.code, ended.out) == (0, "")
    assert "no log lines yet" in ended.err


async def test_no_log_files_at_all(control: StandIn) -> None:
    """With `log.dir: none` it is said where the lines go."""
    control.log_folder = None
    async with serving(control):
        ended = await run(control.folder, "logs", "a")

    assert ended.code == 1
    assert "standard output" in ended.err


async def test_unreadable_log_is_named(control: StandIn) -> None:
    """A log that can't be read is a failure with its reason."""
    (control.folder / "a.log").mkdir()
    async with serving(control):
        ended = await run(control.folder, "logs", "a")

    assert ended.code == 1
    assert "Is a directory" in ended.err


async def test_follow_goes_over_rotations(control: StandIn) -> None:
    """Following starts before the file is there, and no line of the old or the new file is lost."""
    path = control.folder / "a.log"
    async with serving(control):
        process = await begin(control.folder, "logs", "a", "-f")
        assert process.stdout is not None
        path.write_text("one\n")
        assert await process.stdout.readline() == b"one\n"
        with path.open("a") as file:
            file.write("two\n")
        path.rename(path.with_suffix(".1"))
        path.write_text("three\n")
        assert await process.stdout.readline() == b"two\n"
        assert await process.stdout.readline() == b"three\n"
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()

    assert (process.returncode, out) == (130, b"")


async def test_a_terminal_is_not_steered(control: StandIn) -> None:
    """On a terminal escapes in a log are shown as text; through a pipe each byte comes as it is (B11)."""
    (control.folder / "a.log").write_text("ValueError: \x1b]0;own\x07\n")
    async with serving(control):
        piped = await run(control.folder, "logs", "a")
        with terminal(control.folder, "logs", "a") as shown:
            code = await shown.end()

    assert piped.out == "ValueError: \x1b]0;own\x07\n"
    assert (code, shown.text) == (0, b"ValueError: \\x1b]0;own\\x07\r\n")


async def test_the_beats_have_a_file_of_their_own(control: StandIn) -> None:
    """`--beats` shows it instead."""
    (control.folder / "a.log").write_text("WebSocket连接异常\n")
    (control.folder / "a.beats.log").write_text("心跳包已发送\n")
    async with serving(control):
        ended = await run(control.folder, "logs", "a")
        beats = await run(control.folder, "logs", "--beats", "a")

    assert (ended.out, beats.out) == ("WebSocket连接异常\n", "心跳包已发送\n")


async def test_follow_goes_over_a_cut_file(control: StandIn) -> None:
    """A file that was copied and cut to nothing (copytruncate) is followed from its beginning (S1)."""
    path = control.folder / "a.log"
    path.write_text("one\n")
    async with serving(control):
        process = await begin(control.folder, "logs", "a", "-f")
        assert process.stdout is not None
        assert await process.stdout.readline() == b"one\n"
        path.write_text("")
        await asyncio.sleep(0.6)
        with path.open("a") as file:
            file.write("two\n")
        assert await asyncio.wait_for(process.stdout.readline(), 5) == b"two\n"
        process.send_signal(signal.SIGINT)
        await process.communicate()
