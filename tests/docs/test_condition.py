"""The diagrams of an account's condition are those of its table."""

from __future__ import annotations

import pytest

from scripts.lib import condition_page
from scripts.lib.condition_page import PAGES


def test_both_pages_are_drawn_from_the_table() -> None:
    """What stands between the marks is what the table gives; run scripts/lib/condition_page.py after a change of it."""
    drawn = condition_page.drawn()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert condition_page.rewritten(text, drawn) == text, f"{page.name} is not as the table is"
    assert "starting --> live: spawned" in drawn
    assert "stopped --> stopped" not in drawn


def test_the_check_names_a_page_that_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` changes nothing, and fails."""
    before = [page.read_text(encoding="utf-8") for page in PAGES]
    monkeypatch.setattr(condition_page, "drawn", lambda: "something else")
    assert condition_page.main(["--check"]) == 1
    assert "condition.md" in capsys.readouterr().err
    assert [page.read_text(encoding="utf-8") for page in PAGES] == before
