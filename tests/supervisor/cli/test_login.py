"""`xyfleet login`: a cookie goes in unseen, and nowhere else."""

from __future__ import annotations

import termios
from pathlib import Path

import pytest

from support.standin import StandIn, account, run, serving
from support.terminal import terminal

COOKIE = "unb=2200000000001; cookie2=sim-s3cret"


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, [account("a"), account("b")])


@pytest.mark.parametrize("data", [COOKIE, COOKIE + "\n", f"  {COOKIE}\r\n"])
async def test_cookie_is_read_from_a_pipe(control: StandIn, data: str) -> None:
    """A piped cookie is taken without its line end, and not repeated."""
    async with serving(control):
        ended = await run(control.folder, "login", "a", stdin=data.encode())

    assert ended.code == 0
    assert control.cookies["a"].reveal() == COOKIE
    assert "s3cret" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", 1, "no cookie was given"),
        (b" \n", 1, "no cookie was given"),
        (b"\xff\xfe", 1, "not text"),
        (b"x" * 70000, 1, "more than 65536 bytes"),
        (b"s3cret", 1, "no cookie was given"),
    ],
)
async def test_what_is_no_cookie_is_refused(control: StandIn, data: bytes, code: int, words: str) -> None:
    """Nothing, bytes, floods and other texts are told apart, and never repeated."""
    async with serving(control):
        ended = await run(control.folder, "login", "a", stdin=data)

    assert ended.code == code
    assert words in ended.err
    assert "s3cret" not in ended.err
    assert control.cookies == {}


@pytest.mark.parametrize("name", ["nobody", "*", "@t"])
async def test_exactly_one_account_is_meant(control: StandIn, name: str) -> None:
    """A cookie belongs to one account; patterns are unknown names here."""
    async with serving(control):
        assert (await run(control.folder, "login", name, stdin=COOKIE.encode())).code == 2
    assert control.cookies == {}


@pytest.mark.parametrize("typed", [COOKIE, "x" * 9000 + "; " + COOKIE, "oops\x7f\x7f\x7f\x7f" + COOKIE])
async def test_cookie_is_pasted_unseen(control: StandIn, typed: str) -> None:
    """On a terminal nothing is shown, 4095 bytes are no limit, and backspace works; the terminal is left as it was."""
    async with serving(control):
        with terminal(control.folder, "login", "a") as screen:
            await screen.until(b"not shown")
            assert not screen.modes()[3] & termios.ECHO
            await screen.type(typed + "\r")
            assert await screen.end() == 0
            assert screen.modes() == screen.before

    assert control.cookies["a"].reveal() == typed.replace("oops\x7f\x7f\x7f\x7f", "")
    assert b"s3cret" not in screen.text
    assert b"new cookie stored" in screen.text


async def test_interrupted_paste_leaves_the_terminal_as_it_was(control: StandIn) -> None:
    """Ctrl-C at the question stores nothing and gives the echo back."""
    async with serving(control):
        with terminal(control.folder, "login", "a") as screen:
            await screen.until(b"not shown")
            await screen.type("unb=1\x03")
            assert await screen.end() == 130
            assert screen.modes() == screen.before

    assert control.cookies == {}
