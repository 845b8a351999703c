"""Tests of `xyfleet.supervisor.passport.check_pages`: the forms that clients tell of, and whatever else comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.passport import check_pages

AT = "https://passport.goofish.com/iv/mini/normal_validate.htm?htoken=h-1_x"
MODES = "passport.goofish.com/iv/mini/verify_modes.htm?htoken=h-1_x&_umidfg="


@pytest.mark.parametrize(
    ("script", "address"),
    [
        (f'window.location.href = "https://{MODES}";', f"https://{MODES}1"),
        (f'location.href="//{MODES.replace("&", "&amp;")}"', f"https://{MODES}1"),
        (f'window.location.href = "https:\\/\\/{MODES}2"', f"https://{MODES}2"),
        (f'window.location.href = "/x.htm"; window.location.href = "https://{MODES}"', f"https://{MODES}1"),
        ('window.location.href = "/iv/mini/other.htm?a=1"', None),
        ("", None),
    ],
)
def test_where_the_first_page_sends_a_browser(script: str, address: str | None) -> None:
    """Its script's address, in each spelling, whole; other addresses are none."""
    assert check_pages.modes_address(f"<script>{script}</script>", AT) == address


def test_what_a_question_carries() -> None:
    """The token of the page's own address."""
    assert check_pages.token_of(AT) == "h-1_x"
    assert check_pages.token_of("<html>") is None


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (
            'new Qrcode({ text: "https:\\/\\/passport.goofish.com\\/f?x=1&amp;y=2" });',
            "https://passport.goofish.com/f?x=1&y=2",
        ),
        ('new  Qrcode({\n  text:"abc", width: 9})', "abc"),
        ('new Qrcode({ text: "" })', None),
        ('new Qrcode({ text: "\\q" })', None),
        ('new Qrcode({ text: "' + "x" * 1001 + '" })', None),
        ("<html>", None),
    ],
)
def test_the_second_code(page: str, text: str | None) -> None:
    """It is drawn unchanged; what no terminal has room for is none."""
    assert check_pages.second_code(page) == text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"content":{"code":"0"}}', "wait"),
        (
            b'{"content":{"code":3,"url":"https://passport.goofish.com/ivCheckLogin.htm?ok=1"}}',
            "https://passport.goofish.com/ivCheckLogin.htm?ok=1",
        ),
        (b'{"content":{"code":"3","url":"/ivCheckLogin.htm"}}', "/ivCheckLogin.htm"),
        (b'{"content":{"code":3}}', "wait"),
        (b'{"content":{"code":"7"}}', "wait"),
        (b'{"content":null}', "wait"),
        (b'{"content":{"code":3,"url":"https://x/_____tmd_____/punish"}}', "check"),
    ],
)
def test_how_far_the_check_is(body: bytes, said: str) -> None:
    """Passed with code 3 and an address; a slider is another check; what is not known goes on."""
    assert check_pages.passed_at(body) == said


@given(st.text(max_size=300), st.binary(max_size=100))
def test_whatever_comes(page: str, body: bytes) -> None:
    """Nothing raises."""
    assert check_pages.passed_at(body) in {"wait", "check"}
    for read in (check_pages.token_of, check_pages.second_code):
        read(page)
    check_pages.modes_address(f'location.href = "{page}"', AT)
