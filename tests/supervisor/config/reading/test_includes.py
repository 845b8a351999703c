"""Included files: found by path and pattern, read once, with accounts only."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settingsfile import GIB, SettingsFile
from xyfleet.supervisor.config.load import load
from xyfleet.supervisor.config.reading import includes, source


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def one(number: int) -> str:
    """Return a file with account a<number>."""
    return f"accounts: [{{name: a{number}, cookie: unb={number}; cookie2=x}}]\n"


def test_paths_and_patterns_in_order_and_once(file: SettingsFile) -> None:
    """The main file's accounts first, then file by file; a file named twice is read once, the main file never again."""
    for number, name in enumerate(["x/3.yml", "x/1.yml", "x/2.yml", "y.yml"]):
        file.write(one(number), name)

    settings = file.load(f"include: [y.yml, 'x/*.yml', './x/1.yml', '*.yml']\n{one(9)}")

    assert list(settings.accounts) == ["a9", "a3", "a1", "a2", "a0"]
    assert settings.accounts["a1"].where == f"{file.folder}/x/1.yml:1"


def test_patterns_are_against_the_files_folder(file: SettingsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the file is named relative to a working directory, and its folder has special characters."""
    folder = file.folder / "a[1]b"
    file.write("include: [d/*.yml, 'lit[e]ral.yml']\n", "a[1]b/accounts.yml")
    file.write(one(1), "a[1]b/d/x.yml")
    file.write(one(2), "a[1]b/lit[e]ral.yml")
    monkeypatch.chdir(file.folder)

    settings = load(Path("a[1]b/accounts.yml"), file.env, memory=GIB)

    assert [account.where for account in settings.accounts.values()] == ["a[1]b/d/x.yml:1", "a[1]b/lit[e]ral.yml:1"]
    assert settings.path == folder / "accounts.yml"


def test_absolute_paths_and_the_home(file: SettingsFile) -> None:
    """Both are taken as they are."""
    file.write(one(1), "home/b.yml")
    file.write(one(2), "c.yml")

    assert list(file.load(f"include: [~/b.yml, {file.folder}/c.*]\n").accounts) == ["a1", "a2"]


def test_a_path_without_file_is_a_problem(file: SettingsFile) -> None:
    """A literal path was meant to be there."""
    assert file.said(f"include: [gone.yml]\n{one(1)}") == (
        "accounts.yml:1: include[1]: no such file; correct the path, or remove it"
    )


def test_a_pattern_without_file_is_doubted(file: SettingsFile) -> None:
    """An empty accounts.d may be filled later."""
    assert file.warned(f"include: [accounts.d/*.yml]\n{one(1)}") == (
        "accounts.yml:1: include[1]: no file fits this pattern; correct the pattern, or remove it"
    )


def test_included_files_hold_accounts_only(file: SettingsFile) -> None:
    """No other section, no further include."""
    file.write(f"include: [x]\nfleet: {{}}\n{one(1)}", "b.yml")

    assert file.said("include: [b.yml]\n").splitlines() == [
        "b.yml:1: include: unknown key; a file named by include holds accounts: only",
        "b.yml:2: fleet: unknown key; a file named by include holds accounts: only",
    ]


def test_problems_of_all_files_come_together(file: SettingsFile) -> None:
    """A broken file hides neither the main file's problems nor another's; both places of a clash are named."""
    file.write("accounts: [\n", "1.yml")
    file.write("- x\n", "2.yml")
    file.write("", "3.yml")
    file.write("accounts: [{name: m, cookie: unb=1}, {name: z, colour: red}]\n", "4.yml")
    (file.folder / "5.yml").mkdir()

    said = file.said("include: ['?.yml']\naccounts:\n- {name: m, cookie: unb=2, enabled: x}\n")

    assert [line.partition("; ")[0] for line in said.splitlines()] == [
        "accounts.yml:3: m: enabled: is neither true nor false",
        "1.yml:1: the file ends inside a bracket",
        "2.yml: expected settings (key: value), found a list",
        "3.yml: is empty",
        "4.yml:1: z: unknown key",
        "4.yml:1: m: name: the name is used already at accounts.yml:3",
        "5.yml: is a folder",
    ]


def test_defaults_reach_included_accounts(file: SettingsFile) -> None:
    """The main file's defaults are for all files; paths are against the file that names them."""
    file.write("unb=7", "d/c.txt")
    file.write("accounts: [{name: b, cookie_file: c.txt}]\n", "d/b.yml")

    account = file.account("include: [d/b.yml]\ndefaults: {profile: mobile}\n")

    assert account.cycle.heartbeat_interval == 45
    assert account.cookie_file == file.folder / "d/c.txt"


def test_too_many_files_are_refused(file: SettingsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that fits a whole disk is a mistake."""
    monkeypatch.setattr(includes, "MAX_FILES", 2)
    for number in range(3):
        file.write(one(number), f"d/{number}.yml")

    assert file.said("include: [d/*]\n") == (
        "accounts.yml:1: include: names 3 files; at most 2 are read; put several accounts into one file"
    )


def test_the_files_together_have_a_limit(file: SettingsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many files below the limit may not come to more than it."""
    monkeypatch.setattr(source, "MAX_BYTES", 150)
    for number in range(5):
        file.write(one(number), f"d/{number}.yml")

    assert "include: the files together are larger than 150 bytes" in file.said("include: [d/*]\n")


def test_a_bad_entry_of_the_list_is_one_problem(file: SettingsFile) -> None:
    """What could not be read is not looked for."""
    assert file.places(f"include: [[x]]\n{one(1)}") == [(1, "include[1]")]
