"""Answers that set cookies without end: the cookie stays as long as a header may be, and goes on to sign calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.credentials.cookies import MAX_LENGTH, MAX_PAIR, MAX_PAIRS
from xyfleet.worker.secret import Secret

NOW = 1_767_225_600.0
COOKIE = Secret("unb=1; cookie2=old; _m_h5_tk=a_1")
MOST = MAX_LENGTH + 3 * MAX_PAIR


def grown() -> Secret:
    """A cookie as 30 answers of an older version's time left it."""
    return Secret(COOKIE.reveal() + "".join(f"; junk{number}={'x' * 8000}" for number in range(3000)))


def test_cookies_of_answers_have_bounds() -> None:
    """Neither many nor long ones are kept: it has at most as many pairs and characters as a cookie may (B16)."""
    cookie = COOKIE
    for answer in range(30):
        cookie = cookies.merge(cookie, [f"c{answer}x{number}={'y' * 3000}" for number in range(100)], NOW)
        cookie = cookies.merge(cookie, [f"s{answer}x{number}=1" for number in range(100)], NOW)

    pairs = cookies.parse(cookie.reveal())
    assert len(cookie.reveal()) <= MOST
    assert len(pairs) <= MAX_PAIRS
    assert cookies.parse(COOKIE.reveal()).items() <= pairs.items()


def test_what_is_too_long_leaves_the_old_value() -> None:
    """As a browser does: a pair above its bound is no change, not even of its own name (B16)."""
    headers = [f"cookie2={'x' * MAX_PAIR}", f"_m_h5_tk={'x' * MAX_PAIR}", "other=1"]

    assert cookies.merge(COOKIE, headers, NOW).reveal() == COOKIE.reveal() + "; other=1"


def test_full_cookie_is_signed_all_the_same() -> None:
    """The signing cookie is renewed, and set for the first time, however full the cookie is; old ones can go (B16)."""
    full = cookies.merge(Secret("unb=1"), [f"c{number}={'y' * 4000}" for number in range(100)], NOW)
    signed = cookies.merge(full, ["late=1", "_m_h5_tk=b_2", "_m_h5_tk_enc=e"], NOW)
    emptied = cookies.merge(signed, ["c0=; Max-Age=0", "late=2"], NOW)

    assert cookies.sign_token(signed) == "b"
    assert cookies.parse(emptied.reveal())["late"] == "2"
    assert "c0" not in cookies.parse(emptied.reveal())


def test_cookie_that_has_grown_is_cut_back() -> None:
    """What an older version let grow loses what came last; the login stays (B16)."""
    for cut in (cookies.sendable(grown()), cookies.merge(grown(), [], NOW)):
        assert len(cut.reveal()) <= MOST
        assert cut.reveal().startswith(COOKIE.reveal() + "; junk0=")


@given(st.dictionaries(st.text("abc", min_size=1), st.text("xyz"), max_size=20))
def test_usual_cookie_is_sent_as_it_is(pairs: dict[str, str]) -> None:
    """Within the bounds nothing is left out."""
    cookie = cookies.render(pairs)

    assert cookies.sendable(cookie) == cookie


def test_cookie_of_a_hook_has_a_bound() -> None:
    """A hook's cookie may be as long as one of the owner's file; the reason shows nothing of it (B16)."""
    with pytest.raises(cookies.InvalidCookie) as caught:
        cookies.checked(Secret("unb=1; a=" + "x" * MAX_LENGTH))

    assert f"is longer than {MAX_LENGTH} characters" in str(caught.value)
    assert "xxx" not in str(caught.value)
