"""What a login page may say that is no number, no address and no code: it ends nothing but itself."""

from __future__ import annotations

import json

import pytest

from xyfleet.supervisor.passport import pages
from xyfleet.supervisor.passport.sites import REAL


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999"])
def test_a_form_with_a_number_that_is_none(number: str) -> None:
    """Its field is sent empty."""
    form = pages.login_form(f'window.viewData = {{"loginFormData": {{"a": {number}, "b": 1.7e12}}}};')

    assert form == {"a": "", "b": "1700000000000", "umidTag": "SERVER"}


@pytest.mark.parametrize("address", ["https://[x", "//[", "https://\u2100.goofish.com/", "https://x@[::1"])
def test_an_address_that_is_none(address: str) -> None:
    """It is not the service's, and nobody goes there."""
    assert not REAL.ours(address)
    assert REAL.onward("https://www.goofish.com/im", address) is None


def test_where_a_page_sends_its_visitor() -> None:
    """Inside the service only."""
    here = "https://www.goofish.com/im"

    assert REAL.onward(here, "/login") == "https://www.goofish.com/login"
    assert REAL.onward(here, "https://passport.goofish.com/x") == "https://passport.goofish.com/x"
    assert REAL.onward(here, "https://example.com/") is None
    assert REAL.onward(here, "") is None


@pytest.mark.parametrize("text", ["", "x" * 1001])
def test_a_code_that_can_not_be_shown(text: str) -> None:
    """It counts as none."""
    assert pages.code_of(json.dumps({"content": {"data": {"codeContent": text, "ck": "k", "t": 1}}}).encode()) is None
