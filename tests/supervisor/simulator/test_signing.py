"""Tokens and signing cookies that say themselves what they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.places import VECTORS_FILE
from xyfleet.supervisor.simulator.signing import (
    DEVICE_ID,
    Stamps,
    fingerprint,
    issue_sign_cookie,
    issue_token,
    read_cookies,
    read_sign_cookie,
    read_token,
    set_cookies,
    sign,
)

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text())
UNB = "2200000000001"
DEVICE = VECTORS["ids"]["device_id"]


@pytest.mark.parametrize("vector", VECTORS["sign"])
def test_signature_equals_the_vectors(vector: dict[str, str]) -> None:
    """The gateway computes the same signatures as the real service."""
    assert sign(vector["token"], vector["t"], vector["data"]) == vector["md5"]


@pytest.mark.parametrize("vector", VECTORS["cookie_parse"])
def test_cookies_are_read_as_the_vectors_say(vector: dict[str, Any]) -> None:
    """Values may hold `=`; parts without one are left out."""
    cookies = read_cookies(vector["in"])
    if "expect" in vector:
        assert cookies == vector["expect"]
    else:
        assert cookies["_m_h5_tk"].partition("_")[0] == vector["sign_token"]


def test_device_id_has_the_vectors_form() -> None:
    """The form of the id format's pattern, and no other."""
    assert DEVICE_ID.fullmatch(DEVICE)
    assert DEVICE_ID.fullmatch(DEVICE)["unb"] == UNB  # type: ignore[index]
    assert not DEVICE_ID.fullmatch(DEVICE.lower())
    assert not DEVICE_ID.fullmatch(DEVICE.replace("-421A-", "-521A-"))


def test_token_says_what_it_was_made_for() -> None:
    """Reading gives back what issuing put in, and knows its device id."""
    token = read_token(issue_token(UNB, "abc", DEVICE, 1_000_000, 2.0))

    assert token is not None
    assert (token.unb, token.session, token.issued, token.expires) == (UNB, "abc", 1_000_000, 3_000_000)
    assert token.made_for(DEVICE)
    assert not token.made_for(DEVICE.replace("673B", "673C"))


def test_token_is_bound_to_all_it_says() -> None:
    """A token changed anywhere is no longer one of ours."""
    good = issue_token(UNB, "abc", DEVICE, 1_000_000, 2.0)
    for old, new in ((UNB, "2200000000002"), ("abc", "abd"), ("f4240", "f4241"), ("2dc6c0", "2dc6c1")):
        changed = read_token(good.replace(old, new, 1))

        assert changed is not None
        assert not changed.made_for(DEVICE), old


def test_token_needs_url_decoding() -> None:
    """It holds characters that a URL-encoded text does not."""
    assert issue_token(UNB, "abc", DEVICE, 1, 1.0).endswith("==")


@pytest.mark.parametrize("bad", ["", "tok", "sim-1-2", "sim-x-s-1-2-d", "sim-1-s-x-2-d", "sym-1-s-1-2-d", None, 3])
def test_other_texts_are_no_tokens(bad: object) -> None:
    """Anything else is told apart without an error."""
    assert read_token(bad) is None


def test_sign_cookie_tells_its_stamp_to_its_own_account_only() -> None:
    """A signing cookie is known again without being remembered; another account's is not."""
    cookies = issue_sign_cookie(UNB, 1_767_225_600_000_000)

    assert read_sign_cookie(UNB, cookies["_m_h5_tk"]) == 1_767_225_600_000_000
    assert read_sign_cookie("2200000000002", cookies["_m_h5_tk"]) is None
    assert set(cookies) == {"_m_h5_tk", "_m_h5_tk_enc"}


@pytest.mark.parametrize("bad", ["", "x", "fedcba9876543210fedcba9876543210_1767232800000", "0" * 32])
def test_sign_cookie_never_issued_is_unknown(bad: str) -> None:
    """One that this program never made has no stamp."""
    assert read_sign_cookie(UNB, bad) is None


def test_sign_cookie_has_the_vectors_form() -> None:
    """32 hexadecimal digits, `_`, 13 digits of milliseconds."""
    key, _, end = issue_sign_cookie(UNB, 1_767_225_600_000_000)["_m_h5_tk"].partition("_")

    assert len(bytes.fromhex(key)) == 16
    assert len(end) == 13


def test_set_cookie_lines_can_name_the_real_domain() -> None:
    """S14: a jar at 127.0.0.1 keeps only what names no domain; a client of ours must not care."""
    assert set_cookies({"a": "b"}) == ["a=b; Path=/; Max-Age=604800"]
    assert set_cookies({"a": "b"}, "goofish.com") == ["a=b; Domain=goofish.com; Path=/; Max-Age=604800"]


def test_stamps_never_stand_still() -> None:
    """At one moment each stamp is later than the one before; they convert back to that moment."""
    stamps = Stamps(1_700_000_000.0)
    first, second = stamps.next(5.0), stamps.next(5.0)

    assert second == first + 1
    assert stamps.monotonic(first) == pytest.approx(5.0, abs=1e-5)
    assert stamps.next(6.0) == 1_700_000_006_000_000


def test_fingerprint_hides_the_login() -> None:
    """It is short, always the same, and not the login itself."""
    assert fingerprint("sim-1") == fingerprint("sim-1") != fingerprint("sim-2")
    assert "sim-1" not in fingerprint("sim-1")
    assert "-" not in fingerprint("sim-1")
