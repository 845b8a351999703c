"""`xyfleet login`: what a shell or an editor puts around a cookie does no harm, and doubts are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.standin import StandIn, account, run, serving
from support.terminal import terminal

COOKIE = "unb=2200000000001; cookie2=sim-s3cret"


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, [account("a")])


async def test_a_byte_order_mark_is_no_part_of_the_cookie(control: StandIn) -> None:
    """A file of Notepad, piped in, is the cookie alone (X14)."""
    async with serving(control):
        ended = await run(control.folder, "login", "a", stdin=b"\xef\xbb\xbf" + COOKIE.encode() + b"\r\n")

    assert (ended.code, ended.err) == (0, "")
    assert control.cookies["a"].reveal() == COOKIE


async def test_a_cookie_without_its_proof_is_stored_and_doubted(control: StandIn) -> None:
    """A cookie copied from `document.cookie` lacks `cookie2`: the way to the right one is told."""
    async with serving(control):
        ended = await run(control.folder, "login", "a", stdin=b"unb=2200000000001; t=s3cret")

    assert ended.code == 0
    assert "no cookie2" in ended.err
    assert "Network" in ended.err
    assert "s3cret" not in ended.err


async def test_further_lines_of_a_paste_are_no_commands(control: StandIn) -> None:
    """What stands behind the first line is thrown away: the shell would run it, and keep it in its history."""
    async with serving(control):
        with terminal(control.folder, "login", "a") as screen:
            await screen.until(b"not shown")
            await screen.type(f"{COOKIE}\rcookie2=s3cret\r")
            assert await screen.end() == 0
            assert screen.pending() == 0
    assert b"s3cret" not in screen.text
