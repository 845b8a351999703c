"""The built-in gateway plays every form of a check and of a dead login, and each is understood."""

from __future__ import annotations

import pytest

from support.gateway import Gateway
from support.tokens import FREE, SHOP, TLS, UNB, refused
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.simulator.fault_kinds import RISK_FORMS
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.causes import Cause


@pytest.mark.parametrize("form", RISK_FORMS)
async def test_every_form_of_a_check(store: Store, gateway: Gateway, form: str) -> None:
    """D5, X17: entries of `ret`, JSON without it, a page, a redirect, an address beside success: all are risk."""
    gateway.fault(UNB, kind="risk", form=form)
    tokens = TokenService(store, gateway.token_url, TLS, FREE)

    assert (await refused(tokens)).cause is Cause.RISK
    calls = gateway.stats(UNB)["token_calls"]
    assert (await refused(tokens)).cause is Cause.RISK
    assert gateway.stats(UNB)["token_calls"] == calls


@pytest.mark.parametrize("word", ["NEED_LOGIN::x", "SID_INVALID::x", "fail_sys_session_expired::x"])
async def test_every_word_of_a_dead_login(store: Store, gateway: Gateway, word: str) -> None:
    """X17: each is a dead login, which a hook may mend."""
    gateway.fault(UNB, kind="session_expired", logins=True, ret=word)

    assert (await refused(TokenService(store, gateway.token_url, TLS, FREE))).cause is Cause.AUTH


async def test_an_unknown_word(store: Store, gateway: Gateway) -> None:
    """X17: it is the platform's, not the network's, and passes by itself."""
    fault = gateway.fault(UNB, kind="token_ret", ret="FAIL_SYS_BRAND_NEW::x")
    tokens = TokenService(store, gateway.token_url, TLS, FREE)

    assert (await refused(tokens)).cause is Cause.PLATFORM
    gateway.clear(fault)
    assert (await tokens.get(SHOP)).fresh
