"""Tests of `xyfleet.supervisor.credentials.cookies`."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.places import VECTORS_FILE
from xyfleet.supervisor.credentials import cookies
from xyfleet.worker.secret import Secret

VECTORS: list[dict[str, Any]] = json.loads(VECTORS_FILE.read_text())["cookie_parse"]
NOW = 1_767_225_600.0
names = st.text("abcdefgh_-0123", min_size=1, max_size=8)
values = st.text("abcXYZ0189=%_./ ", max_size=12).map(str.strip)
pairs = st.dictionaries(names, values, max_size=6)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["in"])
def test_vectors(vector: dict[str, Any]) -> None:
    """Every cookie of the vectors is read as they say."""
    if "sign_token" in vector:
        assert vector["sign_token"] == cookies.sign_token(Secret(vector["in"]))
    if "expect" in vector:
        assert vector["expect"] == cookies.parse(vector["in"])


@given(pairs)
def test_written_and_read_again_is_the_same(given_pairs: dict[str, str]) -> None:
    """What is rendered parses to the same pairs in the same order."""
    assert list(given_pairs.items()) == list(cookies.parse(cookies.render(given_pairs).reveal()).items())


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    """No text makes the parser raise, and a second reading changes nothing."""
    once = cookies.render(cookies.parse(text))

    assert once == cookies.render(cookies.parse(once.reveal()))


@pytest.mark.timing
@pytest.mark.parametrize("text", [" ", "cookie ", "=", ";", "a=", "；"])
def test_reading_takes_time_in_proportion(text: str) -> None:
    """A long text of the worst kind is read in no time."""
    started = time.perf_counter()
    cookies.parse(text * 200_000)
    with contextlib.suppress(cookies.InvalidCookie):
        cookies.checked(Secret(text * (cookies.MAX_TEXT // len(text))))
    cookies.merge(Secret("unb=1"), [text * 200_000], NOW)

    assert time.perf_counter() - started < 0.5


def test_of_two_equal_names_the_last_counts_in_the_first_place() -> None:
    """A name that comes twice keeps its place and takes the last value."""
    assert list(cookies.parse("a=1; b=2; a=3").items()) == [("a", "3"), ("b", "2")]


def test_a_checked_cookie_is_in_plain_form() -> None:
    """White space and empty parts are gone, the order is kept."""
    assert Secret("b=1; unb=2; a=x=y") == cookies.checked(Secret(" b = 1;;unb=2 ;a=x=y; Secure"))


def test_unb_names_the_user() -> None:
    """The user id is the cookie `unb`; without one there is none."""
    assert cookies.unb(Secret("a=1; unb=2200000000001")) == "2200000000001"
    assert cookies.unb(Secret("a=1; unb=")) is None


def test_no_signing_cookie_signs_with_nothing() -> None:
    """Before the first answer the signing token is empty."""
    assert cookies.sign_token(Secret("unb=1")) == ""


@given(pairs, pairs)
def test_the_fingerprint_tells_cookies_apart(one: dict[str, str], other: dict[str, str]) -> None:
    """Two cookies have one fingerprint exactly when their pairs and order are the same."""
    same = list(one.items()) == list(other.items())

    assert same == (cookies.fingerprint(cookies.render(one)) == cookies.fingerprint(cookies.render(other)))


def test_the_fingerprint_shows_nothing() -> None:
    """It ignores white space, and is short and of another alphabet than the cookie."""
    assert cookies.fingerprint(Secret("unb=1;a=2")) == cookies.fingerprint(Secret(" unb=1 ;  a=2; "))
    assert len(cookies.fingerprint(Secret("unb=1"))) == 16


def test_an_answer_adds_and_replaces() -> None:
    """Set-Cookie values replace in place and are added at the end; attributes are no cookies."""
    merged = cookies.merge(
        Secret("unb=1; _m_h5_tk=old_1; z=9"),
        ["_m_h5_tk=new_2; Domain=goofish.com; Path=/; Secure", "x=a=b; Max-Age=60"],
        NOW,
    )

    assert merged.reveal() == "unb=1; _m_h5_tk=new_2; z=9; x=a=b"


@pytest.mark.parametrize(
    ("header", "stays"),
    [
        ("a=; Max-Age=0", False),
        ("a=x; max-age=-1", False),
        ("a=x; Expires=Thu, 01-Jan-1970 00:00:10 GMT", False),
        ("a=x; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Max-Age=5", True),
        ("a=x; Expires=Fri, 01 Jan 2100 00:00:00 GMT; Max-Age=0", False),
        ("a=x; Expires=Fri, 01 Jan 2100 00:00:00 GMT", True),
        ("a=x; Expires=soon", True),
        ("a=x; Max-Age=long", True),
        ("a=", True),
    ],
)
def test_an_answer_can_delete(header: str, stays: bool) -> None:
    """Max-Age and Expires in the past delete; what can't be read deletes nothing."""
    merged = cookies.merge(Secret("unb=1; a=old"), [header], NOW)

    assert ("a" in cookies.parse(merged.reveal())) == stays


@pytest.mark.parametrize("header", ["unb=666", "unb=; Max-Age=0", "novalue", "=x", "a=b\x01", "名=1", ""])
def test_an_answer_can_not_harm(header: str) -> None:
    """The user never changes, and what is no cookie is left out."""
    assert cookies.merge(Secret("unb=1; a=2"), [header], NOW).reveal() == "unb=1; a=2"


@given(pairs, st.lists(st.text(max_size=20), max_size=4))
def test_merging_twice_is_merging_once(given_pairs: dict[str, str], headers: list[str]) -> None:
    """The same answer again changes nothing, whatever it holds."""
    once = cookies.merge(cookies.render(given_pairs), headers, NOW)

    assert once == cookies.merge(once, headers, NOW)
