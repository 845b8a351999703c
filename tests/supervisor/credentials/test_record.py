"""Tests of `xyfleet.supervisor.credentials.record`."""

from __future__ import annotations

import uuid
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.credentials.cookies import InvalidCookie
from xyfleet.supervisor.credentials.record import (
    Attempt,
    Credentials,
    OtherUser,
    Source,
    Verdict,
    adopted,
    decode,
    encode,
    joined,
    met,
    replaced,
)
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

FILE = Secret("unb=1; cookie2=file")
HOOK = Secret("unb=1; cookie2=hook")
OTHER = Secret("unb=2; cookie2=other")
ID = uuid.UUID("673b2986-e590-421a-a8f9-28202ba25823")
ID2 = uuid.UUID("00000000-e590-421a-a8f9-28202ba25823")


def taken(held: Credentials, cookie: Secret) -> Credentials:
    """Return a record with a cookie of the file."""
    found = adopted(held, cookie, "file", ID)
    assert found is not None
    return found


def filled() -> Credentials:
    """Return a record with a token and a verdict, from the file's cookie."""
    verdict = Verdict(cause=Cause.AUTH, reason="dead", at=1.0)
    more = {"token": Secret("tok"), "serial": 7, "expires": 9.0, "verdict": verdict}
    return taken(Credentials(), FILE).but(**more, attempts=(Attempt(start=1.0),), needs_human=True)


def test_the_first_cookie_pins_the_user() -> None:
    """The first cookie gives the record its user and its device id."""
    held = adopted(Credentials(), FILE, "cookie_file", ID)

    assert held is not None
    assert (held.cookie, held.source, held.unb, held.login) == (FILE, "cookie_file", "1", 1)
    assert held.device_id == "673B2986-E590-421A-A8F9-28202BA25823-1"


def test_the_same_cookie_again_changes_nothing() -> None:
    """A file that still has the cookie seen before is no news, however it is spaced."""
    assert adopted(filled(), Secret(" unb=1;cookie2=file "), "file", ID2) is None


def test_a_hook_s_cookie_wins_until_the_file_changes() -> None:
    """The file's old cookie does not come back over a hook's; a new one in the file does."""
    held = replaced(filled(), HOOK, "hook", ID2)

    assert adopted(held, FILE, "file", ID2) is None
    assert (held.cookie, held.source) == (HOOK, "hook")
    newer = taken(held, Secret("unb=1; cookie2=newer"))
    assert (newer.cookie, newer.source) == (Secret("unb=1; cookie2=newer"), "file")


def test_what_answers_set_does_not_look_like_a_change() -> None:
    """Cookies merged since count as the same login when the file is read again."""
    held = filled().but(cookie=Secret("unb=1; cookie2=file; _m_h5_tk=merged"))

    assert adopted(held, FILE, "file", ID2) is None


@pytest.mark.parametrize("source", ["hook", "login"])
def test_a_new_login_ends_what_the_old_one_had(source: Source) -> None:
    """Token, verdict and the call for a person go, the login's number grows; device id, serial and history stay."""
    held = filled()
    new = replaced(held, HOOK, source, ID2)

    assert (new.token, new.verdict, new.needs_human, new.login) == (None, None, False, held.login + 1)
    assert (new.device_id, new.serial, len(new.attempts), new.source) == (held.device_id, 7, 1, source)


def test_another_user_is_refused_whoever_brings_him() -> None:
    """Neither a hook, a login nor the file turns a user's record into somebody else's."""
    with pytest.raises(OtherUser) as caught:
        replaced(filled(), OTHER, "hook", ID2)
    assert str(caught.value).startswith("it is the cookie of another user (unb 2, not 1)")
    assert "xyfleet forget" in str(caught.value)
    with pytest.raises(OtherUser):
        adopted(filled(), OTHER, "file", ID2)


@pytest.mark.parametrize("text", ["cookie2=x", "unb=1;a=\x01", "half a fi"])
def test_a_bad_cookie_is_refused(text: str) -> None:
    """A cookie file read while it is being written harms nothing."""
    with pytest.raises(InvalidCookie):
        adopted(filled(), Secret(text), "cookie_file", ID2)
    with pytest.raises(InvalidCookie):
        replaced(filled(), Secret(text), "login", ID2)


def test_what_an_account_tried_goes_with_its_user() -> None:
    """Hook runs from before the first login count for the user that it turns out to be."""
    user = Credentials(unb="1", attempts=(Attempt(start=5.0),), hook_runs=3)
    name = Credentials(attempts=(Attempt(start=4.0), Attempt(start=6.0)), hook_runs=2)

    both = joined(user, name)
    assert ([each.start for each in both.attempts], both.hook_runs, both.unb) == ([4.0, 5.0, 6.0], 5, "1")


secrets = st.none() | st.text(min_size=1).map(Secret)
times = st.floats(0, 1e10)
attempts = st.builds(Attempt, start=times, ran=st.booleans(), ok=st.booleans(), not_before=st.none() | times)
verdicts = st.none() | st.builds(Verdict, cause=st.sampled_from(Cause), reason=st.text(), at=times)
everything = st.builds(
    Credentials,
    cookie=secrets,
    source=st.none() | st.sampled_from(get_args(Source)),
    unb=st.none() | st.text(),
    token=secrets,
    serial=st.integers(0, 10**9),
    expires=times,
    calls=st.lists(times).map(tuple),
    verdict=verdicts,
    attempts=st.lists(attempts).map(tuple),
    needs_human=st.booleans(),
)


@given(everything)
def test_written_and_read_again_is_the_same(held: Credentials) -> None:
    """The state file gives back what was put into it, secrets included."""
    assert held == decode(encode(held))


@given(everything)
def test_nothing_secret_is_shown(held: Credentials) -> None:
    """The text form for logs and tracebacks has no secret in it."""
    shown = repr(held)

    assert "cookie=***" in shown or held.cookie is None
    assert "token=***" in shown or held.token is None


def test_garbage_is_refused() -> None:
    """What is no state file raises, and a strange secret too."""
    with pytest.raises(msgspec.MsgspecError):
        decode(b'{"cookie":5}')
    with pytest.raises(NotImplementedError):
        encode(msgspec.defstruct("Strange", [("what", object)])(what=object()))


def test_a_user_is_met_once() -> None:
    """The time of the first meeting stays, whatever cookies come; nobody is met without a cookie."""
    assert met(Credentials(), 5.0).since == 0

    held = met(taken(Credentials(), FILE), 5.25)
    assert met(replaced(held, HOOK, "hook", ID), 9.0).since == 5250
