"""Loading a whole file: version, emptiness, aliases, and how long it takes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from support.places import REPOSITORY
from support.settingsfile import COOKIE, ONE, SettingsFile
from xyfleet.supervisor.config.load import load, load_with_warnings
from xyfleet.supervisor.config.reading.problems import BadFile


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def test_the_example_file_is_good() -> None:
    """What the repository shows has neither problem nor warning."""
    settings, warnings = load_with_warnings(REPOSITORY / "accounts.example.yml", os.environ)

    assert len(settings.accounts) == 5
    assert warnings == []


def test_a_missing_file_is_one_problem(file: SettingsFile) -> None:
    """Nothing but its name can be said."""
    with pytest.raises(BadFile) as caught:
        load(file.path, file.env)

    (found,) = caught.value.problems
    assert (found.line, found.key, found.message) == (None, None, "no such file")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "\n\n"])
def test_an_empty_file(file: SettingsFile, text: str) -> None:
    """It is sent to the example."""
    assert file.said(text) == "accounts.yml: is empty; accounts.example.yml is a file to begin with"


@pytest.mark.parametrize("text", ["{}", "---\n", "accounts:\n", "accounts: []\n", "fleet: {name: a}\n"])
def test_a_file_without_accounts(file: SettingsFile, text: str) -> None:
    """A fleet has at least one account, be it a disabled one."""
    assert file.said(text) == "accounts.yml: there is no account in it; add accounts: with “- name: …” below it"


def test_accounts_that_could_not_be_read_are_not_missing(file: SettingsFile) -> None:
    """One slip is one problem: a mapping instead of a list, an included file that is not there."""
    assert file.said("accounts: {shop-001: {cookie: unb=1}}\n") == (
        "accounts.yml:1: accounts: expected a list, found settings (key: value); "
        "write [a, b], or lines that begin with “- ”"
    )
    assert file.places("include: [gone.yml]\n") == [(1, "include[1]")]


@pytest.mark.parametrize("text", ["- name: a\n", "just words\n", "3\n"])
def test_a_file_that_is_no_settings(file: SettingsFile, text: str) -> None:
    """A list or a text at the top says what was expected."""
    assert file.said(text).startswith("accounts.yml: expected settings (key: value), found ")


def test_versions(file: SettingsFile) -> None:
    """1 is known and need not be written; a newer one is the only problem, as its keys would mislead."""
    assert file.problems(f"version: 1\n{ONE}") == []
    assert file.said(f"version: 2\nnew_key: 1\n{ONE}") == (
        "accounts.yml:1: version: this program knows version 1 of the file only; update xyfleet, or write version: 1"
    )
    assert "version: is too small" in file.said(f"version: 0\n{ONE}")


def test_a_section_with_everything_commented_out_is_fine(file: SettingsFile) -> None:
    """An empty section or list is as good as none."""
    text = f"include:\nfleet:\n  # name: x\nrefresh:\ndefaults:\n  retry:\n{ONE}"

    assert file.load(text).fleet.name == "accounts"


def test_anchors_save_typing(file: SettingsFile) -> None:
    """A template at the top, merged into accounts, is read as if it were written there."""
    accounts = file.load(
        """\
        x-phone: &phone
          tags: [phones]
          profile: mobile
        accounts:
          - {<<: *phone, name: a, cookie: unb=1}
          - {<<: *phone, name: b, cookie: unb=2, tags: [books]}
        """
    ).accounts

    assert [account.tags for account in accounts.values()] == [("phones",), ("books",)]
    assert accounts["b"].cycle.heartbeat_interval == 45


def test_a_huge_file_is_refused_without_reading_it_all(file: SettingsFile) -> None:
    """A sparse file of 10 GiB costs nothing."""
    with file.path.open("wb") as huge:
        huge.truncate(10 * 1024**3)

    assert file.said() == "accounts.yml: is larger than 33554432 bytes; is this the right file?"


def test_good_and_bad_files_leave_nothing_open(file: SettingsFile) -> None:
    """No descriptor stays behind, whatever the file was like."""
    before = len(os.listdir("/proc/self/fd"))
    for text in (ONE, "", "a: [", b"\xff\xff", "accounts: [{name: a, cookie_file: /}]\n"):
        file.problems(text)

    assert len(os.listdir("/proc/self/fd")) == before


def big_file(count: int) -> str:
    """Return a file of many accounts with long cookies."""
    filler = "x" * 1000
    return "accounts:\n" + "".join(
        f"- name: shop-{n:05d}\n  label: 旗舰店{n}\n  tags: [phones, t{n % 10}]\n"
        f'  cookie: "unb={n + 1}; cookie2={filler}"\n'
        f"  username: 1380013{n:05d}\n  password: pw{n}\n  proxy: socks5://u:p@10.0.0.1:1080\n"
        "  profile: mobile\n  heartbeat_interval: 40\n"
        for n in range(count)
    )


def seconds_to_load(file: SettingsFile) -> float:
    """Load the file as it is; return the CPU time that it took, which neighbours lengthen little."""
    start = time.process_time()
    file.load()
    return time.process_time() - start


@pytest.mark.timing
def test_two_thousand_accounts_load_within_a_second(file: SettingsFile) -> None:
    """A file of 2.5 MB with everything in it takes some 0.3 s; a busy machine may need three times as long."""
    text = big_file(2000)
    file.load(text)

    assert any(seconds_to_load(file) < 1.0 for _ in range(3))


@pytest.mark.timing
def test_the_time_grows_with_the_accounts_only(file: SettingsFile) -> None:
    """Four times the accounts take less than eight times as long: nothing compares each with each."""
    file.load(big_file(500))
    few = min(seconds_to_load(file) for _ in range(3))
    file.load(big_file(2000))

    assert any(seconds_to_load(file) < 8 * few for _ in range(3))


def test_an_account_names_its_line(file: SettingsFile) -> None:
    """`where` is file and line of the entry."""
    account = file.account(f'\n\naccounts:\n\n  - cookie: "{COOKIE}"\n    name: a\n')

    assert account.where == f"{file.path}:5"
