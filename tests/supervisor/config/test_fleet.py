"""The fleet's own settings and the hook's: defaults, paths, addresses, what contradicts what."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settingsfile import COOKIE, GIB, ONE, SettingsFile
from xyfleet.supervisor.config.load import load
from xyfleet.supervisor.config.reading import file_schema, fleet_schema
from xyfleet.supervisor.settings import (
    DEFAULT_TOKEN_URL,
    SIMULATOR,
    Fleet,
    Http,
    Log,
    Refresh,
    Restart,
    Simulator,
    Tls,
)
from xyfleet.worker.settings import DEFAULT_ENDPOINT

SIMULATED = "accounts: [{name: a, cookie: unb=2200000000001}]\n"


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def fleet(settings: str) -> str:
    """Return a good file with these settings of the fleet, in line 1."""
    return f"fleet: {{{settings}}}\n{ONE}"


def test_the_built_in_values(file: SettingsFile) -> None:
    """A file without `fleet` and `refresh` has every default; state and logs are under the user's state home."""
    settings = file.load(ONE)
    state = file.folder / "home/.local/state/xyfleet/accounts"

    assert settings.fleet == Fleet(name="accounts", state_dir=state, log=Log(dir=state / "logs"))
    assert settings.refresh == Refresh()
    assert settings.path == file.path
    assert (settings.fleet.endpoint, settings.fleet.token_url) == (DEFAULT_ENDPOINT, DEFAULT_TOKEN_URL)


def test_everything_a_fleet_can_say(file: SettingsFile) -> None:
    """All settings arrive; relative paths begin at the file's folder."""
    for name in ("cert.pem", "key.pem", "ca.pem"):
        file.write("x", name)
    settings = file.load(
        f"""\
        version: 1
        fleet:
          name: shops
          endpoint: wss://example.com/
          token_url: https://example.com/token
          state_dir: ./state
          http: 0.0.0.0:9180
          tls: {{cert: cert.pem, key: ./key.pem}}
          behind_proxy: true
          language: zh
          timezone: Asia/Shanghai
          ca_file: ca.pem
          connect_rate: 0
          catch_up_rate: 0.5
          token_rate: 2.5
          hang_timeout: 30
          restart: {{backoff_max: 1, healthy_after: 2, failed_grace: 3}}
          log: {{format: json, dir: logs, max_bytes: 1MB, backups: 0, total: 1GB, beats: false}}
        refresh: {{timeout: 1, cooldown: 2, max_concurrent: 4, login_budget: 5, command: [/bin/true, -x]}}
        accounts: [{{name: a, cookie: "{COOKIE}"}}]
        """
    )
    here = file.folder

    assert settings.fleet == Fleet(
        name="shops",
        state_dir=here / "state",
        endpoint="wss://example.com/",
        token_url="https://example.com/token",
        http=Http(host="0.0.0.0", port=9180, tls=Tls(cert=here / "cert.pem", key=here / "key.pem"), behind_proxy=True),
        language="zh",
        timezone="Asia/Shanghai",
        ca_file=here / "ca.pem",
        connect_rate=0.0,
        catch_up_rate=0.5,
        token_rate=2.5,
        hang_timeout=30.0,
        restart=Restart(backoff_max=1.0, healthy_after=2.0, failed_grace=3.0),
        log=Log(format="json", dir=here / "logs", max_bytes=10**6, backups=0, total=10**9, beats=False),
    )
    assert settings.refresh == Refresh(
        command=("/bin/true", "-x"), timeout=1.0, cooldown=2.0, max_concurrent=4, login_budget=5
    )


def test_the_state_home(file: SettingsFile) -> None:
    """XDG_STATE_HOME comes first when it is absolute; with neither it nor HOME, state_dir is asked for."""
    assert file.load(ONE, {"XDG_STATE_HOME": "/s"}).fleet.state_dir == Path("/s/xyfleet/accounts")
    assert file.load(ONE, {"XDG_STATE_HOME": "rel"}).fleet.state_dir.is_relative_to(file.folder / "home")
    assert file.said(ONE, {"HOME": ""}) == (
        "accounts.yml: fleet.state_dir: "
        "has no default here: neither XDG_STATE_HOME nor HOME is set; set fleet.state_dir"
    )
    assert file.problems(fleet("state_dir: x"), {"HOME": ""}) == []


def test_paths_of_home(file: SettingsFile) -> None:
    """`~` is the home of the environment."""
    assert file.load(fleet("state_dir: ~/x")).fleet.state_dir == file.folder / "home/x"
    assert file.load(fleet('state_dir: "~"')).fleet.state_dir == file.folder / "home"


def test_relative_files_give_absolute_paths(file: SettingsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named relative to the working directory has paths that survive leaving it."""
    file.write(fleet("state_dir: ./state"))
    monkeypatch.chdir(file.folder)

    settings = load(Path("accounts.yml"), file.env, memory=GIB)

    assert settings.path == file.path
    assert settings.fleet.state_dir == file.folder / "state"
    assert settings.accounts["a"].where == "accounts.yml:2"


def test_the_fleets_name(file: SettingsFile) -> None:
    """The file's stem is the name, if it can be one."""
    assert load(file.write(ONE, "my.shops.yml"), file.env, memory=GIB).fleet.name == "my.shops"

    assert file.load(fleet("name: shops")).fleet.name == "shops"


def test_the_simulator(file: SettingsFile) -> None:
    """`endpoint: simulator` brings its own token call; what it plays is a file."""
    file.write("[]", "faults.yml")
    settings = file.load(f"fleet: {{endpoint: simulator, simulator: {{faults: faults.yml, tls: true}}}}\n{SIMULATED}")

    assert settings.fleet.endpoint == settings.fleet.token_url == SIMULATOR
    assert settings.fleet.simulator == Simulator(faults=file.folder / "faults.yml", tls=True)
    assert file.load(f"fleet: {{endpoint: simulator}}\n{SIMULATED}").fleet.simulator == Simulator()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            "simulator: {tls: true}",
            "simulator: is for the built-in gateway only; set fleet.endpoint: simulator, or remove this",
        ),
        ("endpoint: ws://example.com/", "endpoint: would send secrets in clear text; write wss://host/path"),
        ("token_url: http://example.com/", "token_url: would send secrets in clear text; write https://host/path"),
        ("http: 9180", "http: is not host:port; write 127.0.0.1:9180"),
        (
            "http: 0.0.0.0:80",
            "http: would be reachable from other machines without encryption; "
            "write 127.0.0.1:80, or add tls: {cert: …, key: …} or behind_proxy: true beside it",
        ),
        ("behind_proxy: true", "behind_proxy: is for fleet.http only; set fleet.http, or remove this"),
        ("http: 127.0.0.1:1, tls: {cert: x}", "tls.key: is missing; add it"),
        ("timezone: Asia/Shanghia", "timezone: is not a time zone; write a name such as Asia/Shanghai"),
        ("timezone: Asia", "timezone: is not a time zone; write a name such as Asia/Shanghai"),
        ("timezone: ../../etc/passwd", "timezone: is not a time zone; write a name such as Asia/Shanghai"),
        ("language: cn", "language: is not one of the words known here; use one of: en, zh"),
        ("ca_file: gone.pem", "ca_file: no such file; check the path"),
        ("log: {max_bytes: 1}", "log.max_bytes: is too small; use at least 1000 bytes, or a unit: 200MB"),
        (
            "log: {total: 19999}",
            "log.total: is too little for the logs of 1 accounts; use 20000 or more, or fewer log.backups",
        ),
        ("connect_rate: -1", "connect_rate: is too small; use at least 0"),
        ("catch_up_rate: x", "catch_up_rate: is not a number; write a number such as 30"),
        ("name: ..", "name: is not allowed as it is written; use 1 to 64 of the characters A-Z a-z 0-9 . _ -"),
    ],
)
def test_wrong_settings(file: SettingsFile, settings: str, said: str) -> None:
    """Each mistake is one problem with its remedy."""
    assert f"accounts.yml:1: fleet.{said}" in file.said(fleet(settings)).splitlines()


def test_a_token_url_beside_the_simulator_is_refused(file: SettingsFile) -> None:
    """The built-in gateway's made-up cookies never go to another token call."""
    said = file.said(f"fleet: {{endpoint: simulator, token_url: 'https://h/'}}\n{SIMULATED}")

    assert said == "accounts.yml:1: fleet.token_url: the built-in gateway has its own token call; remove token_url"


def test_another_endpoint_with_the_real_token_call_is_doubted(file: SettingsFile) -> None:
    """A gateway on this machine and the real token call hardly belong together."""
    assert "fleet.endpoint: is not the real gateway, but the token call" in file.warned(
        fleet("endpoint: ws://127.0.0.1:1")
    )
    assert file.warned(fleet("endpoint: 'ws://127.0.0.1:1', token_url: 'http://127.0.0.1:1'")) == ""
    assert file.warned(fleet(f"endpoint: '{DEFAULT_ENDPOINT}'")) == ""


def test_http_beyond_loopback_needs_protection(file: SettingsFile) -> None:
    """TLS or a proxy before it will do."""
    assert file.load(fleet("http: 0.0.0.0:80, behind_proxy: true")).fleet.http == Http(
        host="0.0.0.0", port=80, behind_proxy=True
    )
    assert file.load(fleet("http: '[::1]:80'")).fleet.http == Http(host="::1", port=80)
    assert "fleet.http" in file.said(fleet("http: 0.0.0.0:80, behind_proxy: false"))


def test_logs_to_standard_output_only(file: SettingsFile) -> None:
    """`dir: none` is no folder of that name."""
    assert file.load(fleet("log: {dir: none}")).fleet.log.dir is None


@pytest.mark.parametrize(("memory", "hooks"), [(4 * GIB - 1, 1), (4 * GIB, 3)])
def test_small_machines_run_one_hook_at_a_time(file: SettingsFile, memory: int, hooks: int) -> None:
    """The default of max_concurrent goes by memory; what the file says holds anyway."""
    path = file.write(ONE)
    assert load(path, file.env, memory=memory).refresh.max_concurrent == hooks

    path = file.write(f"refresh: {{max_concurrent: 7}}\n{ONE}")
    assert load(path, file.env, memory=memory).refresh.max_concurrent == 7


def test_the_hooks_paths(file: SettingsFile) -> None:
    """Program and ./arguments are against the file's folder; a bare name that is not there comes from PATH."""
    script = file.write("#!/bin/sh\n", "hooks/login")
    script.chmod(0o755)

    def command(words: str) -> tuple[str, ...] | None:
        return file.load(f"refresh: {{command: [{words}]}}\n{ONE}").refresh.command

    assert command("hooks/login, --fast, x/y, ./cfg, ../up") == (
        str(script),
        "--fast",
        "x/y",
        str(file.folder / "cfg"),
        str(file.folder / "../up"),
    )
    assert command("sh, hooks/login") in [("/usr/bin/sh", "hooks/login"), ("/bin/sh", "hooks/login")]
    assert command("nobody-has-this") == (str(file.folder / "nobody-has-this"),)
    file.write("", "sh")
    assert command("sh") == (str(file.folder / "sh"),)


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("#!/bin/sh\n", 0o755, ""),
        ("\x7fELF", 0o755, ""),
        ("#!/bin/sh\n", 0o644, "is not executable; run: chmod +x"),
        ("#!/bin/sh\r\n", 0o755, "ends with a Windows line break; run: sed -i 's/\\r$//'"),
        ("echo\n", 0o755, "does not say what runs it; begin it with a line such as #!/usr/bin/env python3"),
    ],
)
def test_a_hook_that_can_not_run_is_doubted(file: SettingsFile, content: str, mode: int, words: str) -> None:
    """The file is good, as the hook may be mended later; the warning says how."""
    file.write(content, "hook").chmod(mode)
    warned = file.warned(f"refresh: {{command: [./hook]}}\n{ONE}")

    assert words in warned
    assert bool(warned) == bool(words)


def test_a_hook_that_is_not_there_is_doubted(file: SettingsFile) -> None:
    """Missing, or a folder."""
    for name in ("gone", "home"):
        (file.folder / "home").mkdir(exist_ok=True)
        warned = file.warned(f"refresh: {{command: [./{name}]}}\n{ONE}")
        assert (
            warned
            == f"accounts.yml:1: refresh.command[1]: {name} is not there; put the hook there, or correct the path"
        )


def test_bad_parts_of_the_fleet_do_not_breed_problems(file: SettingsFile) -> None:
    """A value that could not be read is one problem, whatever depends on it."""
    assert file.places(fleet("endpoint: [], simulator: {}")) == [(1, "fleet.endpoint")]
    assert file.places(fleet("state_dir: [], name: [], http: [], tls: 1, timezone: []")) == [
        (1, "fleet.state_dir"),
        (1, "fleet.name"),
        (1, "fleet.http"),
        (1, "fleet.tls"),
        (1, "fleet.timezone"),
    ]
    assert file.places(f"refresh: {{command: [[]]}}\n{ONE}") == [(1, "refresh.command[1]")]
    assert file.places(f"refresh: {{command: []}}\n{ONE}") == [(1, "refresh.command")]


def test_the_form_has_every_setting_of_the_types() -> None:
    """A setting added to the resolved types and not to the file's form fails here."""
    assert set(Fleet.__struct_fields__) <= set(fleet_schema.RawFleet.__annotations__)
    assert set(Refresh.__struct_fields__) == set(file_schema.RawRefresh.__annotations__)
    assert set(Log.__struct_fields__) == set(fleet_schema.RawLog.__annotations__)
    assert set(Restart.__struct_fields__) == set(fleet_schema.RawRestart.__annotations__)
    assert set(Simulator.__struct_fields__) == set(fleet_schema.RawSimulator.__annotations__)
    assert set(Tls.__struct_fields__) == set(fleet_schema.RawTls.__annotations__)
