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
    adopt,
    decode,
    encode,
    meet,
    replace,
)
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

FILE = Secret("unb=1; cookie2=file")
HOOK = Secret("unb=1; cookie2=hook")
OTHER = Secret("unb=2; cookie2=other")
ID = uuid.UUID("673b2986-e590-421a-a8f9-28202ba25823")
ID2 = uuid.UUID("00000000-e590-421a-a8f9-28202ba25823")


def filled() -> Credentials:
    """Return credentials with a token and a verdict, from the file's cookie."""
    held = Credentials()
    adopt(held, FILE, "file", ID)
    held.token, held.serial, held.expires = Secret("tok"), 7, 9.0
    held.verdict = Verdict(cause=Cause.AUTH, reason="dead", at=1.0)
    held.attempts, held.needs_human = [Attempt(start=1.0)], True
    return held


def test_the_first_cookie_pins_the_user() -> None:
    """The first cookie gives the account its user and its device id."""
    held = Credentials()

    assert adopt(held, FILE, "cookie_file", ID)
    assert (held.cookie, held.source, held.unb) == (FILE, "cookie_file", "1")
    assert held.device_id == "673B2986-E590-421A-A8F9-28202BA25823-1"


def test_the_same_cookie_again_changes_nothing() -> None:
    """A file that still has the cookie seen before is no news, however it is spaced."""
    held = filled()
    before = encode(held)

    assert not adopt(held, Secret(" unb=1;cookie2=file "), "file", ID2)
    assert before == encode(held)


def test_a_hook_s_cookie_wins_until_the_file_changes() -> None:
    """The file's old cookie does not come back over a hook's; a new one in the file does."""
    held = filled()
    replace(held, HOOK, "hook", ID2)

    assert not adopt(held, FILE, "file", ID2)
    assert (held.cookie, held.source) == (HOOK, "hook")
    assert adopt(held, Secret("unb=1; cookie2=newer"), "file", ID2)
    assert (held.cookie, held.source) == (Secret("unb=1; cookie2=newer"), "file")


def test_what_answers_set_does_not_look_like_a_change() -> None:
    """Cookies merged since count as the same login when the file is read again."""
    held = filled()
    held.cookie = Secret("unb=1; cookie2=file; _m_h5_tk=merged")

    assert not adopt(held, FILE, "file", ID2)
    assert held.cookie == Secret("unb=1; cookie2=file; _m_h5_tk=merged")


@pytest.mark.parametrize("source", ["hook", "login"])
def test_a_new_login_ends_what_the_old_one_had(source: Source) -> None:
    """Token, verdict and the call for a person go; device id, serial and the hook's history stay."""
    held = filled()
    device = held.device_id
    replace(held, HOOK, source, ID2)

    assert (held.token, held.verdict, held.needs_human) == (None, None, False)
    assert (held.device_id, held.serial, len(held.attempts), held.source) == (device, 7, 1, source)


def test_another_user_is_refused_from_a_hook() -> None:
    """A hook or a login can't turn an account into somebody else, and nothing changes."""
    held = filled()
    before = encode(held)

    with pytest.raises(OtherUser) as caught:
        replace(held, OTHER, "hook", ID2)
    assert str(caught.value) == "cookie of another user: unb is 2, expected 1"
    assert before == encode(held)


def test_another_user_in_the_file_is_another_account() -> None:
    """The owner may put another user there: it gets a device id of its own."""
    held = filled()

    assert adopt(held, OTHER, "file", ID2)
    assert (held.unb, held.device_id) == ("2", "00000000-E590-421A-A8F9-28202BA25823-2")
    assert held.token is None


@pytest.mark.parametrize("text", ["cookie2=x", "unb=1;a=\x01", "half a fi"])
def test_a_bad_cookie_changes_nothing(text: str) -> None:
    """A cookie file read while it is being written harms nothing."""
    held = filled()
    before = encode(held)

    with pytest.raises(InvalidCookie):
        adopt(held, Secret(text), "cookie_file", ID2)
    with pytest.raises(InvalidCookie):
        replace(held, Secret(text), "login", ID2)
    assert before == encode(held)


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
    calls=st.lists(times),
    verdict=verdicts,
    attempts=st.lists(attempts),
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
    held = Credentials()
    assert not meet(held, 5.0)

    adopt(held, FILE, "file", ID)
    assert meet(held, 5.25)
    replace(held, HOOK, "hook", ID)
    assert not meet(held, 9.0)
    assert held.since == 5250


def test_another_user_is_met_anew() -> None:
    """What he was sent before is not caught up with."""
    held = filled()
    meet(held, 5.0)

    adopt(held, OTHER, "file", ID2)
    assert meet(held, 6.0)
    assert held.since == 6000
