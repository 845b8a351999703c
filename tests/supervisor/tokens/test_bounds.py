"""Odd answers of the token call: bounded, and never raising past the call they answer."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.records import change
from support.tokenserver import Answer, TokenServer
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.tokens import mtop
from xyfleet.supervisor.tokens.egress import tls_context
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.tokens.token_values import TokenAccount, TokenRefused
from xyfleet.worker.ipc.codec import MAX_DOWN, encode
from xyfleet.worker.ipc.messages import Ticket
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

pytestmark = pytest.mark.pythons

COOKIE = Secret("unb=7; _m_h5_tk=token_1")


def answer(token: object) -> bytes:
    """Return the body of an answer with this token."""
    return msgspec.json.encode({"ret": ["SUCCESS::ok"], "data": {"accessToken": token}})


@pytest.mark.parametrize("body", [b"[" * 3000 + b"]" * 3000, b'{"ret":' * 5000 + b"1" + b"}" * 5000])
def test_deeply_nested_answer_is_an_unreadable_one(body: bytes) -> None:
    """What is nested deeply, too deeply for some Pythons to be read, is no answer: try again later (finding B4)."""
    assert isinstance(mtop.classify(200, body, 0.0), mtop.Transient | mtop.Unknown)
    assert mtop.classify(503, body, 0.0) == mtop.Transient(Reason("http_status", {"status": 503}))


def test_token_too_long_is_refused() -> None:
    """8192 characters are a token, one more is not (finding B3)."""
    assert isinstance(mtop.classify(200, answer("x" * mtop.MAX_TOKEN), 0.0), mtop.Ok)
    assert mtop.classify(200, answer("x" * 8193), 0.0) == mtop.Unknown(
        Reason("long_token", {"count": 8193, "most": 8192})
    )


@given(st.text(max_size=50) | st.binary(max_size=50).map(lambda raw: "".join(f"%{byte:02X}" for byte in raw)))
def test_every_token_fits_into_a_ticket(token: str) -> None:
    """Whatever the answer's token, escapes of no text at all too: it can be sent to a worker (finding B3)."""
    match mtop.classify(200, answer(token), 0.0):
        case mtop.Ok(found):
            assert encode(Ticket(request=1, serial=1, token=found), MAX_DOWN)
        case other:
            assert other == mtop.Unknown(Reason("no_token"))


async def test_stored_token_that_fits_no_message_is_not_handed_out(tmp_path: Path) -> None:
    """A token of 300,000 characters that an older version stored is replaced by a new call (finding B3)."""
    async with TokenServer() as server:
        store = Store(tmp_path)
        store.load(["a0"])
        store.adopt("a0", COOKIE, "file")
        change(store, "a0", token=Secret("x" * 300_000), expires=time.time() + 1e6, serial=4)
        tokens = TokenService(store, server.url, tls_context(None))
        assert tokens.held("a0") is None
        token = await tokens.get(TokenAccount(name="a0", user_agent="x"))
        await store.close()
    assert (token.text.reveal(), token.serial) == ("tok+abc-1", 5)


async def test_one_odd_answer_costs_one_refusal(tmp_path: Path) -> None:
    """An answer nested 3000 deep (some Pythons read it) is a refusal with a cause; the next call succeeds (B4)."""
    async with TokenServer() as server:
        server.say(Answer(body=b"[" * 3000 + b"]" * 3000))
        store = Store(tmp_path)
        store.load(["a0"])
        store.adopt("a0", COOKIE, "file")
        tokens = TokenService(store, server.url, tls_context(None))
        with pytest.raises(TokenRefused, match=r"(network|platform): token call: "):
            await tokens.get(TokenAccount(name="a0", user_agent="x"))
        tokens.hurry()
        assert (await tokens.get(TokenAccount(name="a0", user_agent="x"))).fresh
        await store.close()
