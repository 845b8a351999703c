"""Cookies as they are pasted: what is unambiguous is tolerated, what is not is named and never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.config.cookie import BadCookie, clean, user_id
from xyfleet.supervisor.credentials.cookies import MAX_LENGTH

PLAIN = "unb=2215000000001; cookie2=abc; _m_h5_tk=x_1"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN + ";",
        f"  {PLAIN}\n",
        f"Cookie: {PLAIN}",
        f"cookie:{PLAIN}",
        f'"{PLAIN}"',
        f"'{PLAIN}'",
        f"“{PLAIN}”",
        f'"Cookie: {PLAIN}"',
        f'Cookie: "{PLAIN}"',
        PLAIN.replace("; ", ";"),
        PLAIN.replace("; ", ";\n"),
        PLAIN.replace("; ", "\r\n;  "),
        PLAIN.replace("; ", ";; "),
    ],
)
def test_harmless_wrappings_are_undone(text: str) -> None:
    """A header name, quotes, blanks and line breaks between the pairs change nothing."""
    assert clean(text) == PLAIN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("unb=1; cookie2=ab\ncd", "part 2 of 2 holds a blank or a line break"),
        ("unb=1; cookie2=ab cd", "part 2 of 2 holds a blank or a line break"),
        ("unb=1; cookie2", "part 2 of 2 is not name=value"),
        ("unb=1; =x", "part 2 of 2 is not name=value"),
        ("unb=1；cookie2=x", "part 1 of 1 holds a character that no browser sends"),
        ("unb=1; a=\u200bx", "part 2 of 2 holds a character that no browser sends"),
        ("cookie2=abc", "has no single user id"),
        ("unb=; cookie2=abc", "has no single user id"),
        ("unb=12a; cookie2=abc", "has no single user id"),
        ("unb=1; unb=2", "has no single user id"),
        ("", "has no single user id"),
        ('[{"name": "unb", "value": "1"}]', "is an export"),
        ("# Netscape HTTP Cookie File", "is an export"),
        ("unb=1; a=" + "x" * MAX_LENGTH, "is longer than"),
    ],
)
def test_what_is_broken_is_named(text: str, words: str) -> None:
    """The message says which part is wrong and how."""
    with pytest.raises(BadCookie, match=words) as caught:
        clean(text)

    assert caught.value.remedy in str(caught.value)


def test_the_same_user_twice_is_fine() -> None:
    """Browsers of two domains send a cookie of one name twice; one value is one user."""
    assert user_id(clean("unb=7; a=b; unb=7")) == "7"


def test_user_id_is_the_unb() -> None:
    """Only the pair named `unb` counts, not one that ends so."""
    assert user_id("xunb=3; unb=5") == "5"
    assert user_id("xunb=3") is None


@given(st.text(max_size=200))
def test_any_text_is_cleaned_or_refused(text: str) -> None:
    """What is accepted is one line of ASCII that cleans to itself."""
    try:
        cookie = clean(text)
    except BadCookie:
        return
    assert clean(cookie) == cookie
    assert cookie.isascii()
    assert cookie.isprintable()


TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%._-", min_size=8, max_size=20)


@given(TOKEN, TOKEN, st.sampled_from([" ", "\n", "；", "\u200b", ";", "="]))
def test_no_message_shows_a_part_of_the_cookie(name: str, secret: str, mess: str) -> None:
    """However it is broken, the refusal repeats neither names nor values."""
    with pytest.raises(BadCookie) as caught:
        clean(f"q{name}=z{secret}{mess}q{secret}{mess}")

    assert name not in str(caught.value)
    assert secret not in str(caught.value)
