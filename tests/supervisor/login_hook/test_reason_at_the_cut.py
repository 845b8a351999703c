"""A hook's own words for a failure: redacted whole, and cut then."""

from __future__ import annotations

import pytest

from support.hooks import SHOP, Service, run
from xyfleet.supervisor.login_hook.policy import Failed
from xyfleet.supervisor.login_hook.redaction import Redactor
from xyfleet.supervisor.login_hook.request import HookAccount
from xyfleet.worker.secret import Secret


async def test_secret_at_the_cut_is_masked(service: Service) -> None:
    """A long password in the middle of which the reason is cut is not shown up to there (B10)."""
    password = " ".join(f"part{number}" for number in range(40))
    account = HookAccount(name="shop", user_agent=SHOP.user_agent, password=Secret(password))
    hooks = service(
        "told = json.load(sys.stdin); say(error='bad\\n' + 'x ' * 60 + told['password'] + ' ' + 'y ' * 500)"
    )
    result = await run(hooks, account)

    assert isinstance(result, Failed)
    assert str(result.reason).startswith(f"bad {'x ' * 60}*** y y")
    assert len(str(result.reason)) == 200


@pytest.mark.parametrize(
    "said", ["a+b/c dé", "a%2Bb%2Fc%20d%C3%A9", "a%2bb%2fc%20d%c3%a9", "a%2Bb/c%20d%C3%A9", "a%2Bb%2Fc+d%C3%A9"]
)
def test_secret_is_masked_in_every_spelling(said: str) -> None:
    """URL-encoded in capitals or not, with slashes kept or not, as a form's value, and as JSON of any writer (B10)."""
    redactor = Redactor(cookie=None, others=[Secret("a+b/c dé")], proxy=None)

    for line in (said, said.replace("/", "\\/"), said.replace("é", "\\u00e9")):
        assert redactor.line(f"<{line}>") == "<***>"
