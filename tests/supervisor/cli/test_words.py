"""Words of a command line that are not what they look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.standin import StandIn, account, run, serving

SECRET = "unb=2200000000001; cookie2=s3cret"


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, [account("a")])


@pytest.mark.parametrize("text", ["-50元可以", "-5", "-.5h", "--好", "- 好"])
async def test_a_text_may_begin_with_a_minus(control: StandIn, text: str) -> None:
    """`-50元` is a text and no option (C1), wherever real options stand."""
    async with serving(control):
        for words in (["--to", "22", "57", text], ["57", text, "--to", "22"], ["57", "--to", "22", "--", text]):
            ended = await run(control.folder, "send", "a", *words)
            assert (ended.code, ended.err) == (0, "")
    assert [(letter.text, letter.receiver) for letter, _ in control.letters] == [(text, "22")] * 3


@pytest.mark.parametrize("words", [("57", "--wiat", "5"), ("57", "-x"), ("57", "x", "--wait", "-5")])
async def test_a_wrong_option_is_still_one(control: StandIn, words: tuple[str, ...]) -> None:
    """Letters behind the minus are an option; so is what stands behind one that takes a value."""
    async with serving(control):
        assert (await run(control.folder, "send", "a", *words)).code == 2
    assert control.letters == []


async def test_line_ends_of_windows_are_line_ends(control: StandIn) -> None:
    """A pipe from Windows has a mark at its beginning and `\\r\\n` at the end of lines: neither is part of the text."""
    async with serving(control):
        await run(control.folder, "send", "a", "57", "-", stdin=b"\xef\xbb\xbf" + "亲\r\n在的\r\n".encode())
    assert control.letters[0][0].text == "亲\n在的"


@pytest.mark.parametrize(
    "words",
    [
        ("login", "a", SECRET),
        ("login", SECRET),
        ("stop", SECRET),
        ("status", f"Cookie: {SECRET}"),
        (SECRET,),
        ("--fleet", SECRET, "status"),
        ("check", "_m_h5_tk=s3cret"),
        ("login", "a", '[{"name":"cookie2","value":"s3cret"}]'),
        ("login", "a", "x=s3cret; y=s3cret; z=s3cret"),
        ("send", "a", "57", SECRET),
    ],
)
async def test_a_cookie_on_the_command_line_is_never_shown(control: StandIn, words: tuple[str, ...]) -> None:
    """It is refused with the way to hand it over unseen, and repeated nowhere."""
    async with serving(control):
        ended = await run(control.folder, *words)
    assert ended.code == 2
    assert "xyfleet login NAME" in ended.err
    assert "s3cret" not in ended.out + ended.err
    assert control.letters == []


async def test_prices_and_names_are_no_cookies(control: StandIn) -> None:
    """A text with an equals sign is sent."""
    async with serving(control):
        for text in ("价格=50; 运费=10; 合计=60", "a=1; b=2", "cookie2 什么意思"):
            assert (await run(control.folder, "send", "a", "57", text)).code == 0
