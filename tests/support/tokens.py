"""A token service, its accounts and limits, and answers of the token endpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.places import VECTORS_FILE
from support.tokenserver import Answer, TokenServer
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.tokens.egress import tls_context
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.tokens.token_values import TokenAccount, TokenRefused
from xyfleet.worker.secret import Secret

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text())
RESPONSES = {each["name"]: each for each in VECTORS["token_api"]["responses"]}
TLS = tls_context(None)
UNB = "2200000000001"
COOKIE = Secret(f"unb={UNB}; cookie2=sim-secret-cookie; _m_h5_tk=0123456789abcdef0123456789abcdef_1")
NEW_COOKIE = Secret(f"unb={UNB}; cookie2=sim-newer; _m_h5_tk=ffffffffffffffffffffffffffffffff_1")
SHOP = TokenAccount(name="shop", user_agent="Agent/1")
FREE = TokenLimits(rate=0, first_gap=0.0, longest_gap=0.0, longest_gap_unreached=0.0, timeout=2.0)
"""No waits, for tests that look at something else."""
RENEWED = ["_m_h5_tk=fedcba9876543210fedcba9876543210_2; Domain=goofish.com", "_m_h5_tk_enc=y"]
SIGN_EXPIRED = Answer("FAIL_SYS_TOKEN_EXOIRED::令牌过期", token=None, set_cookie=RENEWED)
DEAD = Answer("FAIL_SYS_SESSION_EXPIRED::Session过期", token=None)
RISK = Answer(["FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM::x"], token=None)
BROKEN = Answer(status=502, body=b"<html>secret</html>")


def cookie_of(name: str) -> Secret:
    """Return the cookie of a user of his own."""
    return Secret(COOKIE.reveal().replace(UNB, str(int.from_bytes(name.encode()))))


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def service(store: Store, server: TokenServer, limits: TokenLimits = FREE, **clocks: Clock) -> TokenService:
    """Return a service that asks the server."""
    return TokenService(store, server.url, TLS, limits, **clocks)


async def refused(tokens: TokenService, account: TokenAccount = SHOP, stale: int | None = None) -> TokenRefused:
    """Return the refusal that a request must get."""
    with pytest.raises(TokenRefused) as caught:
        await tokens.get(account, stale)
    return caught.value


def answer_of(name: str) -> Answer:
    """Return an answer of the vectors."""
    vector = RESPONSES[name]
    body = json.dumps(vector["http"]) if "http" in vector else vector["body"]
    return Answer(body=body.encode(), set_cookie=vector.get("set_cookie", []))
