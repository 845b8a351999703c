"""`handler_env`: variables of the start's environment for handlers, as secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settingsfile import COOKIE, SettingsFile
from xyfleet.supervisor.handler_trials import messages, process
from xyfleet.supervisor.settings import Account
from xyfleet.worker.secret import Secret


def text(own: str, defaults: str = "") -> str:
    """Return a file of one account."""
    return f'defaults: {{{defaults}}}\naccounts: [{{name: a, cookie: "{COOKIE}", {own}}}]\n'


def test_values_are_secrets(tmp_path: Path) -> None:
    """An account's own list replaces that of the defaults; values come from the environment and are not shown."""
    account = SettingsFile(tmp_path).account(text("handler_env: [B_KEY]", "handler_env: [A_KEY]"), {"B_KEY": "s3cret"})

    assert account.handler_env == {"B_KEY": Secret("s3cret")}
    assert "s3cret" not in repr(account)


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ("handler_env: [NOT_SET]", "handler_env[1]: the environment variable NOT_SET is not set, or empty"),
        ("handler_env: [KEY=value]", "handler_env[1]: is not allowed as it is written"),
    ],
)
def test_what_is_wrong(tmp_path: Path, own: str, problem: str) -> None:
    """A variable that is not set, and a value where a name belongs, are refused with their place."""
    (found,) = SettingsFile(tmp_path).problems(text(own))

    assert problem in str(found)
    assert "KEY=value" not in str(found)


def test_a_trial_has_them(tmp_path: Path) -> None:
    """What `try` calls finds the same variables."""
    code = "import os\nKEY = os.environ['KEY']\nasync def answer(message, account):\n    return KEY\n"
    (tmp_path / "bot.py").write_text(code)
    account = Account(name="a", where="f:1", handler="bot:answer", handler_env={"KEY": Secret("k1")})
    asked = [messages.text("a", 1, "hi", messages.ITEM, 0)]
    result, _ = process.run(process.trial_of(account, tmp_path, asked), {"PATH": "/usr/bin:/bin"})

    (tried,) = result.tried
    assert tried.answer is not None
    assert tried.answer.replies[0].text == "k1"
