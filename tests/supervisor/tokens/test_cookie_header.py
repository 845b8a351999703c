"""The Cookie header of a token call, whatever earlier answers have set."""

from __future__ import annotations

import pytest

from support.records import change
from support.tokens import SHOP, service
from support.tokenserver import Answer, TokenServer
from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.credentials.store import Store
from xyfleet.worker.secret import Secret

LIMIT = 5000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale the bounds down to what the test's server takes as a header."""
    monkeypatch.setattr(cookies, "MAX_LENGTH", LIMIT - 200)
    monkeypatch.setattr(cookies, "_MOST", LIMIT)


async def test_header_and_state_stay_small(store: Store, server: TokenServer) -> None:
    """What 100 Set-Cookies a call leave, in the next call's header and on disk, has an end (B16)."""
    tokens = service(store, server)
    for call in range(5):
        junk = [f"_m_h5_tk=new{call}_1", *(f"j{call}x{number}={'y' * 600}" for number in range(20))]
        server.say(Answer(set_cookie=junk))
        await tokens.get(SHOP, stale=call)

    held = store.get("shop").cookie
    assert held is not None
    assert len(held.reveal()) <= LIMIT
    assert cookies.sign_token(held) == "new4"
    assert all(name in cookies.parse(held.reveal()) for name in server.calls[-1].cookie)
    assert all(call.signed for call in server.calls)


async def test_header_of_a_grown_cookie_is_cut(store: Store, server: TokenServer) -> None:
    """What an older version let grow is no longer sent whole, and the answer cuts the state back (B16)."""
    held = store.get("shop")
    assert held.cookie is not None
    grown = Secret(held.cookie.reveal() + "".join(f"; j{number}={'y' * 600}" for number in range(20)))
    change(store, "shop", cookie=grown)
    await service(store, server).get(SHOP)

    assert 3 < len(server.calls[-1].cookie) < 12
    cut_back = store.get("shop").cookie
    assert cut_back is not None
    assert len(cut_back.reveal()) <= LIMIT
