"""A user name is a secret of its account: neither the hook's log nor its error shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.hooks import SHOP, Service, log_of, run
from xyfleet.supervisor.login_hook.policy import Failed
from xyfleet.supervisor.login_hook.redaction import Redactor
from xyfleet.supervisor.login_hook.request import HookAccount
from xyfleet.worker.reasons import words


@pytest.mark.parametrize(
    ("username", "line", "shown"),
    [
        ("13812345678", "bad login for 13812345678", "bad login for ***"),
        ("13812345678", "+8613812345678 is locked", "+86*** is locked"),
        ("li@example.com", "POST user=li%40example.com", "POST user=***"),
        ('wang "xiao" er', '{"user": "wang \\"xiao\\" er"}', '{"user": "***"}'),
        ("li", "li is listed in the list", "*** is listed in the list"),
        ("李", "用户李不存在", "用户***不存在"),
        ("", "an empty name", "an empty name"),
    ],
)
def test_username_is_masked(username: str, line: str, shown: str) -> None:
    """In any spelling; one of few letters as a word only, for it stands in every other word too (B12)."""
    redactor = Redactor(cookie=None, others=[], proxy=None, username=username)

    assert redactor.line(line) == shown


async def test_hook_that_names_its_user(service: Service, tmp_path: Path) -> None:
    """A hook's error and its standard error lose the user's name on their way to events and log (B12)."""
    account = HookAccount(name="shop", user_agent=SHOP.user_agent, username="13812345678")
    hooks = service("print('typed 13812345678', file=sys.stderr); say(error='bad login for 13812345678')")

    assert await run(hooks, account) == Failed(words("bad login for ***"))
    await hooks.close()
    said = log_of(tmp_path)
    assert "typed ***" in said
    assert "13812345678" not in said
