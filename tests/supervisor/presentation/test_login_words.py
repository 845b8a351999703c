"""What `status` says of a login beside its connection."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from support.standin import account, fleet
from xyfleet.supervisor.control.status_schema import LoginView, StatusView
from xyfleet.supervisor.presentation.advice import advised
from xyfleet.supervisor.presentation.status_table import TableStyle, status
from xyfleet.worker.reasons import Reason

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
THEN = "2026-01-02T03:04:05Z"


def said(login: LoginView, language: str = "en") -> str:
    """Return what is shown of one connected account with this login."""
    view = StatusView(fleet=fleet(), accounts=[account("a", login=login, browser="Chrome 151 (Windows)")])
    return "\n".join(status(view, TableStyle(language, UTC), NOW))


def test_a_login_s_own_state() -> None:
    """Since when it is known to be well, its renewals, and what its cookies say of their end."""
    login = LoginView(state="ok", since=THEN, renewals=3, last_renewal=THEN, next_renewal=THEN, expires={"x_exp": THEN})

    assert "login: ok since 03:04:05; renewed 3 times, last tried 03:04:05; next renewal 03:04:05" in said(login)
    assert "x_exp 03:04:05" in said(login)
    assert "已续期 3 次" in said(login, "zh")
    assert "nothing known" in said(LoginView())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_dead_login_is_said_while_the_connection_lives(language: str) -> None:
    """A person is told to log in before the connection drops; after a check in which browser to pass it."""
    dead = said(LoginView(state="dead", since=THEN), language)
    checked = said(LoginView(state="ok", since=THEN, over=Reason("renewal_check")), language)
    view = StatusView(fleet=fleet(), accounts=[account("a", login=LoginView(state="dead", since=THEN))])
    (told,) = advised(view, language).accounts

    assert ("the connection still lives" if language == "en" else "连接还活着") in dead
    assert "Chrome 151 (Windows)" in checked
    assert told.advice is not None
    assert "xyfleet login a --qr" in told.advice
