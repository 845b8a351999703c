"""Tests of `xyfleet.supervisor.login_hook.redaction`."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xyfleet.supervisor.login_hook.redaction import MAX_LINE, Redactor
from xyfleet.worker.secret import Secret

COOKIE = Secret("unb=2200000000001; cookie2=abcdef123456; short=1; odd=a+b/c d==")
REDACTOR = Redactor(
    cookie=COOKIE,
    others=[COOKIE, Secret("the token"), Secret('pass"wörd'), None, Secret("")],
    proxy=Secret("http://li:pr0xy@proxy.example:8080"),
)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("login of 2200000000001 in 3 tries", "login of 2200000000001 in 3 tries"),
        ("got abcdef123456!", "got ***!"),
        ("short=1, really", "short=***, really"),
        ("1 try", "1 try"),
        ("a+b/c d==", "***"),
        ("a%2Bb%2Fc%20d%3D%3D", "***"),
        ("using the token now", "using *** now"),
        ('typed pass"wörd', "typed ***"),
        ('{"password": "pass\\"w\\u00f6rd"}', '{"password": "***"}'),
        ("pass%22w%C3%B6rd", "***"),
        ("via http://li:pr0xy@proxy.example:8080", "via http://***@proxy.example:8080"),
        ("proxy password pr0xy", "proxy password ***"),
        ("new cookie2=zzz; sgcookie=E100x", "new cookie2=***; sgcookie=***"),
        ("{'name': 'cookie2', 'value': 'zzz'}", "{'name': 'cookie2', 'value': '***'}"),
        ('{"cookie2": "zzz"}', '{"cookie2": "***"}'),
        ("_m_h5_tk: zz_1", "_m_h5_tk: ***"),
        ("0123456789abcdef0123456789abcdef_176", "***"),
        ("/usr/lib/python3/dist-packages/playwright/driver.py", "/usr/lib/python3/dist-packages/playwright/driver.py"),
    ],
)
def test_secrets_are_masked_and_words_are_not(line: str, shown: str) -> None:
    """Known secrets in any spelling, values beside login cookies' names, and long codes are masked; words stay."""
    assert REDACTOR.line(line) == shown


def test_the_whole_cookie_is_masked() -> None:
    """A hook that prints its cookie shows nothing of it."""
    assert REDACTOR.line(f"cookie is {COOKIE.reveal()}") == "cookie is ***"


def test_a_very_long_line_is_left_out() -> None:
    """Nobody could say what is in it."""
    assert REDACTOR.line("x" * (MAX_LINE + 1)) == f"(a line of {MAX_LINE + 1} characters, left out)"


def test_an_account_without_secrets_has_lines_too() -> None:
    """Before the first login there is nothing known, and the patterns hold all the same."""
    redactor = Redactor(cookie=None, others=[None], proxy=Secret("socks5://127.0.0.1:1"))

    assert redactor.line("cookie2=zzz on 127.0.0.1:1") == "cookie2=*** on 127.0.0.1:1"


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)


@given(texts.filter(lambda text: len(text.strip()) >= 6), texts, texts)
def test_a_password_never_gets_through(password: str, before: str, after: str) -> None:
    """Wherever it stands in a line, a password of some length is not in what is shown."""
    assume("*" not in password)
    shown = Redactor(cookie=None, others=[Secret(password)], proxy=None).line(before + password + after)

    assert password not in shown
