"""Rules that span several accounts: names, users, and the built-in gateway's cookies."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settingsfile import SettingsFile


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def accounts(*entries: tuple[str, str], fleet: str = "") -> str:
    """Return a file of accounts with name and user id, from line 3 on, one a line."""
    lines = [f"- {{name: {name}, cookie: unb={unb}; cookie2=x}}" for name, unb in entries]
    return "\n".join((f"fleet: {{{fleet}}}", "accounts:", *lines, ""))


def test_a_name_used_twice_names_both_places(file: SettingsFile) -> None:
    """The problem is at the second place, and tells the first."""
    assert file.said(accounts(("a", "1"), ("b", "2"), ("a", "3"))) == (
        "accounts.yml:5: a: name: the name is used already at accounts.yml:3; choose another name"
    )


def test_names_that_differ_by_case_are_refused(file: SettingsFile) -> None:
    """On some disks their log files would be one."""
    assert file.said(accounts(("Shop", "1"), ("sHop", "2"))) == (
        "accounts.yml:4: sHop: name: differs only in upper and lower case from Shop at accounts.yml:3; "
        "choose another name: log files must not clash"
    )


@pytest.mark.parametrize("suffix", [".hook", ".stack", ".HOOK"])
def test_names_that_are_anothers_log_file_are_refused(file: SettingsFile, suffix: str) -> None:
    """`a.hook` is not possible beside `a`, in whatever order, not even for who was called so before."""
    (file.folder / "state" / "accounts").mkdir(parents=True)
    (file.folder / "state" / "accounts" / f"a{suffix}.json").touch()
    fleet = "state_dir: state"
    assert file.problems(accounts((f"a{suffix}", "1"), ("b", "2"), fleet=fleet)) == []

    said = file.said(accounts((f"a{suffix}", "1"), ("a", "2"), fleet=fleet))
    assert said.startswith(f"accounts.yml:3: a{suffix}: name: its log file would be a log file of a at accounts.yml:4")
    assert file.said(accounts(("a", "2"), (f"a{suffix}", "1"), fleet=fleet))


def test_a_user_of_two_accounts_names_both_places(file: SettingsFile) -> None:
    """Two connections of one user kick each other out; accounts without a cookie yet are not compared."""
    assert file.said(accounts(("a", "7"), ("b", "8"), ("c", "7"))) == (
        "accounts.yml:5: c: cookie: is of the same user (unb) as a at accounts.yml:3; "
        "remove one of the two: they would kick each other out"
    )
    hook = "refresh: {command: [/bin/true]}\naccounts: [{name: a, username: u}, {name: b, username: u}]\n"
    assert file.problems(hook) == []


def test_a_user_given_by_text_and_by_file_is_found(file: SettingsFile) -> None:
    """The users are compared whatever their cookies come from."""
    file.write("unb=7; cookie2=x", "c")
    text = "accounts:\n- {name: a, cookie: unb=7}\n- {name: b, cookie_file: c}\n"

    assert file.places(text) == [(3, "cookie_file")]


@pytest.mark.parametrize("unb", ["2200000000001", "2200000099999"])
def test_the_simulator_takes_its_own_cookies(file: SettingsFile, unb: str) -> None:
    """Both ends of the range are in it."""
    assert file.problems(accounts(("a", unb), fleet="endpoint: simulator")) == []


@pytest.mark.parametrize("unb", ["2200000000000", "2200000100000", "7"])
def test_the_simulator_refuses_real_cookies(file: SettingsFile, unb: str) -> None:
    """A rehearsal never holds a real login."""
    assert file.said(accounts(("a", unb), fleet="endpoint: simulator")) == (
        "accounts.yml:3: a: cookie: may be of a real account, and the endpoint is the built-in gateway; "
        "use made-up cookies with unb=2200000000001 to 2200000099999, or remove fleet.endpoint"
    )


def test_an_examples_cookies_at_the_real_gateway_are_doubted_once(file: SettingsFile) -> None:
    """Somebody removed `endpoint: simulator` and kept the cookies: one warning, at the first."""
    entries = [("a", "7"), ("b", "2200000000001"), ("c", "2200000000002")]

    assert file.warned(accounts(*entries)) == (
        "accounts.yml:4: b: cookie: looks like an example's cookie (unb 2200000000001 to 2200000099999); "
        "put a real cookie here, or set fleet.endpoint: simulator"
    )


def test_an_examples_cookies_at_another_gateway_are_nobodys_business(file: SettingsFile) -> None:
    """A gateway of one's own knows its own users."""
    fleet = "endpoint: 'ws://127.0.0.1:1', token_url: 'http://127.0.0.1:1'"

    assert file.warned(accounts(("a", "2200000000001"), fleet=fleet)) == ""


def test_cookies_without_their_proof_are_doubted_once(file: SettingsFile) -> None:
    """Cookies that lack `cookie2` were copied from the wrong place: one warning with the right one."""
    text = "accounts:\n- {name: a, cookie: unb=7; cookie2=x}\n- {name: b, cookie: unb=8}\n- {name: c, cookie: unb=9}\n"

    assert file.warned(text).startswith("accounts.yml:3: b: cookie: is one of 2 doubtful cookies: there is no cookie2")
