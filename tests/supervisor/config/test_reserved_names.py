"""Names that new accounts and fleets may not have: who has one already goes on, and is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settingsfile import ONE, SettingsFile
from xyfleet.supervisor.config.load import load, load_with_warnings
from xyfleet.supervisor.settings import Settings

OURS = "is a name of xyfleet's own files"
OPTION = "begins with “-”: commands take it for an option"
RESERVED = {
    **dict.fromkeys(("supervisor", "Supervisor", "events", "a.hook", "a.stack", "a.beats", "a.HOOK"), OURS),
    "-x": OPTION,
}


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def one(name: str) -> str:
    """Return a file with one account of this name."""
    return f"fleet: {{state_dir: state}}\naccounts:\n- {{name: '{name}', cookie: unb=1; cookie2=x}}\n"


@pytest.mark.parametrize("name", RESERVED)
def test_a_new_account_may_not_have_it(file: SettingsFile, name: str) -> None:
    """Its log would be the program's own, or commands would not find it: a start, and `check`, refuse the file."""
    assert file.said(one(name)).startswith(f"accounts.yml:3: {name}: name: {RESERVED[name]}; ")


@pytest.mark.parametrize("name", RESERVED)
def test_an_account_that_has_it_goes_on(file: SettingsFile, name: str) -> None:
    """Older versions took the name: where its state is there it is only warned about."""
    (file.folder / "state" / "accounts").mkdir(parents=True)
    (file.folder / "state" / "accounts" / f"{name}.json").touch()

    assert file.warned(one(name)) == (
        f"accounts.yml:3: {name}: name: {RESERVED[name]}; it goes on as before; choose another name when you can"
    )


@pytest.mark.parametrize("name", RESERVED)
def test_a_running_fleet_goes_on(file: SettingsFile, name: str) -> None:
    """A reload warns about it, whether its state is there or not."""
    before = Settings(path=file.path, fleet=file.load(ONE).fleet)
    _, warnings = load_with_warnings(file.write(one(name)), file.env, before=before)

    assert [warning.message for warning in warnings] == [RESERVED[name]]


@pytest.mark.parametrize("name", ["event", "supervisors", "hook", "a.hooks", "x-", ".hidden", "...", "con"])
def test_other_odd_names_are_good(file: SettingsFile, name: str) -> None:
    """They are in nobody's way."""
    assert file.problems(one(name)) == []
    assert file.warned(one(name)) == ""


@pytest.mark.parametrize(("name", "message"), [("fleets", OURS), ("Owners", OURS), ("-x", OPTION)])
def test_names_of_fleets(file: SettingsFile, name: str, message: str) -> None:
    """The same holds for fleets, beside whose state folders the program has folders of its own."""
    text = f"fleet: {{name: '{name}', state_dir: state}}\n{ONE}"
    assert file.said(text).startswith(f"accounts.yml:1: fleet.name: {message}; ")

    (file.folder / "state").mkdir()
    (file.folder / "state" / "lock").touch()
    assert file.warned(text).startswith(f"accounts.yml:1: fleet.name: {message}; it goes on as before")


def test_a_file_whose_name_can_be_no_fleets(file: SettingsFile) -> None:
    """It gets a name that is its own, the same each time, and it is said once; `fleet.name` chooses another."""
    paths = [file.write(ONE, name) for name in ("我的店.yml", "店铺.yml", "店铺 2.yml")]
    names = [load(path, file.env).fleet.name for path in paths]

    assert [name.rpartition("-")[0] for name in names] == ["fleet", "fleet", "2"]
    assert len(set(names)) == 3
    assert names == [load(path, file.env).fleet.name for path in paths]
    file.path = paths[1]
    assert file.warned() == (
        "店铺.yml: fleet.name: the file's name can't be the fleet's name (A-Z a-z 0-9 . _ - only), "
        f"so it is called {names[1]}; set fleet.name to choose one"
    )
    assert file.warned(f"fleet: {{name: shops}}\n{ONE}") == ""


def test_the_folder_of_a_systemd_unit(file: SettingsFile) -> None:
    """STATE_DIRECTORY is the default of state_dir, with the fleet's name once at its end."""
    home = {"XDG_STATE_HOME": str(file.folder / "home")}
    unit = file.folder / "unit"
    file.write(ONE, "shops.yml")
    file.path = file.folder / "shops.yml"

    assert file.load(env={"STATE_DIRECTORY": f"{unit}:/other"}).fleet.state_dir == unit / "shops"
    assert file.load(env={"STATE_DIRECTORY": f"{unit}/shops"}).fleet.state_dir == unit / "shops"
    assert file.load(env={"STATE_DIRECTORY": str(unit), "HOME": ""}).fleet.state_dir == unit / "shops"
    assert file.load(env=home).fleet.state_dir == file.folder / "home" / "xyfleet" / "shops"


def test_state_is_not_left_behind_in_the_state_home(file: SettingsFile) -> None:
    """A unit's fleet whose state an older version put into the state home goes on there."""
    env = {"XDG_STATE_HOME": str(file.folder / "home"), "STATE_DIRECTORY": str(file.folder / "unit")}
    old, new = file.folder / "home" / "xyfleet" / "accounts", file.folder / "unit" / "accounts"
    (old / "accounts").mkdir(parents=True)
    assert file.load(ONE, env).fleet.state_dir == old
    (new / "accounts").mkdir(parents=True)
    assert file.load(ONE, env).fleet.state_dir == new
