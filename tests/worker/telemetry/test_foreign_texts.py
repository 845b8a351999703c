"""Texts of others in the account's log: they cost no line, and do nothing to who reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xyfleet.worker.settings import LogSettings
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.text import printable

HALF = "price \ud83d of it"


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("field", ["reason", "traceback"])
def test_half_an_emoji(tmp_path: Path, form: str, field: str) -> None:
    """Half a surrogate pair in any field costs that character, not the line, and raises nothing (H3)."""
    log = AccountLog("a0", LogSettings(dir=str(tmp_path), format=form))  # type: ignore[arg-type]
    log.say(log_texts.HANDLER_FAILED, **{field: HALF})
    log.close()

    assert " of it" in (tmp_path / "a0.log").read_text("utf-8")


def test_a_traceback_does_not_steer_a_terminal(tmp_path: Path) -> None:
    """In the log for people a buyer's escapes in a traceback are shown as such; its lines stay (B11)."""
    log = AccountLog("a0", LogSettings(dir=str(tmp_path)))
    log.say(log_texts.HANDLER_FAILED, traceback="Traceback\n\tFile\nValueError: \x1b]0;own\x07 \x9b2J \u202eabc\r\n")
    log.close()

    first, *below = (tmp_path / "a0.log").read_bytes().decode().split("\n")
    assert first.endswith("generation=0")
    assert below == ["    Traceback", "        File", r"    ValueError: \x1b]0;own\x07 \x9b2J \u202eabc", ""]


def test_programs_get_it_as_it_is(tmp_path: Path) -> None:
    """The JSON log keeps a traceback's characters: a program reads them, and JSON has a form for them (B11)."""
    log = AccountLog("a0", LogSettings(dir=str(tmp_path), format="json"))
    log.say(log_texts.HANDLER_FAILED, traceback="a\x1b\u202e")
    log.close()

    assert json.loads((tmp_path / "a0.log").read_text())["traceback"] == "a\x1b\u202e"


def test_printable() -> None:
    """Lines, Chinese and emoji stay; what a terminal would obey is escaped (B11)."""
    assert printable("发货\n🎉 x") == "发货\n🎉 x"
    assert printable("\x1b[2J\x00\u200f\u2028") == r"\x1b[2J\x00\u200f\u2028"
