"""One catalogue, complete in both languages."""

from __future__ import annotations

import pytest

from scripts.lib import catalogue
from xyfleet.supervisor.common import i18n
from xyfleet.supervisor.common.i18n import N_, _, from_locale, tr, use


def test_catalogue_is_complete_and_compiled() -> None:
    """Every text has its Chinese with the same placeholders, none is left over, and the compiled file is current."""
    assert list(catalogue.problems()) == []


def test_texts_of_the_code_are_found() -> None:
    """The look itself works: texts of several parts are among those found."""
    found = catalogue.extracted()

    for text in ("no such file", "CONNECTED", "login hook failed", "Usage:"):
        assert text in found
    assert len(found) > 300


@pytest.mark.parametrize(
    ("english", "chinese", "problem"),
    [
        ("a text that is nowhere", "有", "no longer in the code"),
        ("no account fits: %(names)s", "", "no translation"),
        ("no account fits: %(names)s", "没有：%(name)s", "other placeholders"),
        ("pid %(pid)d", "进程号 %(pid)s", "other placeholders"),
        ("Error: {message}", "错误", "other placeholders"),
    ],
)
def test_faults_of_the_catalogue_are_found(
    monkeypatch: pytest.MonkeyPatch, english: str, chinese: str, problem: str
) -> None:
    """Each kind of fault is told with its text."""
    broken = catalogue.stored()
    broken.delete(english)
    broken.add(english, chinese)
    monkeypatch.setattr(catalogue, "stored", lambda: broken)

    found = list(catalogue.problems())

    assert any(one.startswith(problem) and english in one for one in found)
    assert "xyfleet.mo is not xyfleet.po compiled" in found


def test_text_missing_in_the_catalogue_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new text in the code can't be forgotten."""
    poor = catalogue.stored()
    poor.delete("pid %(pid)d")
    monkeypatch.setattr(catalogue, "stored", lambda: poor)

    assert "not in the catalogue: 'pid %(pid)d'" in list(catalogue.problems())


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.Big5"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LC_ALL": "zh_CN", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LANG": "C"}, "en"),
        ({"LANG": ""}, "en"),
        ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_language_of_the_environment(variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual variables count, in their usual order."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert from_locale() == language


def test_language_is_chosen_once_or_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """`_` speaks the process's language, `tr` any; an empty text stays empty."""
    monkeypatch.setattr(i18n, "_current", "en")
    use("zh")
    assert _("no accounts") == "没有账号"
    use("en")
    assert _("no accounts") == "no accounts"
    assert tr("zh", N_("no accounts")) == "没有账号"
    assert tr("zh", "") == ""


def test_text_that_nobody_translated_stays_english() -> None:
    """An unknown text is shown as it is."""
    assert tr("zh", "nobody knows this") == "nobody knows this"
