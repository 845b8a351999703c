"""requirements.txt beside the accounts file: installed aside, put in place whole, kept, and never in front of ours."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from support.wheels import wheel
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.common.paths import handler_packages
from xyfleet.supervisor.config.load import load
from xyfleet.supervisor.handler_trials import messages, process, requirements
from xyfleet.supervisor.settings import Settings

BOT = """
import aiohttp, msgspec, greetings

async def answer(message, account):
    return f"{greetings.WORD} {msgspec.__file__} {aiohttp.__file__}"
"""


def settings(folder: Path, handler: str = "bot:answer") -> Settings:
    """Return a fleet's settings with a handler."""
    (folder / "accounts.yml").write_text(
        f"fleet: {{name: shops, state_dir: {folder}/state}}\n"
        f"accounts: [{{name: a, cookie: unb=1; cookie2=x, handler: '{handler}'}}]\n"
    )
    return load(folder / "accounts.yml", {"HOME": str(folder)})


def ensure(folder: Path, *lines: str) -> tuple[int, Text | None]:
    """Install what these lines say; return how often something was said, and the trouble."""
    (folder / "requirements.txt").write_text("\n".join(["--no-index", "--find-links wheels", *lines]))
    said: list[Text] = []
    trouble = requirements.ensure(settings(folder), os.environ, said.append)
    return len(said), trouble


def answer(folder: Path) -> str:
    """Return what the handler answers in a trial."""
    found = settings(folder)
    asked = [messages.text("a", 1, "hi", messages.ITEM, 1_767_225_600_000)]
    trial = process.trial_of(found.accounts["a"], folder, asked, handler_packages(found.fleet.state_dir))
    result, output = process.run(trial, os.environ)
    assert result.trouble is None, (result, output)
    return str(msgspec.to_builtins(result.tried[0].answer))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of an accounts file, with wheels and a handler."""
    (tmp_path / "bot.py").write_text(BOT)
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels", "1.0", "one")
    wheel(tmp_path / "wheels", "2.0", "two")
    return tmp_path


def test_they_are_installed_once_and_a_failure_leaves_the_old_ones(folder: Path) -> None:
    """Nothing changed: nothing is done. What would replace our packages is refused; our own modules come first."""
    assert ensure(folder, "greetings==1.0") == (2, None)
    assert ensure(folder, "greetings==1.0") == (0, None)

    said, trouble = ensure(folder, "greetings", "msgspec==0.1")
    assert said == 1
    assert trouble is not None
    assert "xyfleet itself uses" in trouble.say("en")
    answered = answer(folder)
    assert "one" in answered
    assert str(folder / "state") not in answered

    assert ensure(folder, "greetings") == (2, None)
    assert "two" in answer(folder)
    kept = [each for each in (folder / "state/requirements").iterdir() if each.is_dir() and not each.is_symlink()]
    assert len(kept) == 1


def test_who_has_no_code_of_his_own_needs_none(folder: Path) -> None:
    """The file may be another program's: without a handler of the owner's it is left alone."""
    (folder / "requirements.txt").write_text("greetings")
    found = settings(folder)
    said: list[Text] = []
    account = msgspec.structs.replace(found.accounts["a"], handler=None)

    assert requirements.ensure(msgspec.structs.replace(found, accounts={"a": account}), os.environ, said.append) is None
    assert not (folder / "state").exists()


def test_a_file_that_it_names_counts_too(folder: Path) -> None:
    """A change of a file that requirements.txt names with -r is a change."""
    file = folder / "requirements.txt"
    file.write_text("-r more.txt\n--constraint=none.txt\n")
    before = requirements.digest(file)
    (folder / "more.txt").write_text("greetings==1.0\n-r requirements.txt\n")
    after = requirements.digest(file)

    assert len({before, after}) == 2
    assert requirements.digest(file) == after
