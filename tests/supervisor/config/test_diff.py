"""Changes: what a reload has to touch, and nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.config.diff import ACCOUNT_RESTART, FLEET_RESTART, Changes, diff
from xyfleet.supervisor.identity import raw
from xyfleet.supervisor.settings import (
    SIMULATOR,
    Account,
    Fleet,
    Http,
    Log,
    Mail,
    Refresh,
    Restart,
    Settings,
    Simulator,
    Webhook,
)
from xyfleet.worker.ready_rules import ReadyRules
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import Cycle, Retry

FLEET = Fleet(name="f", state_dir=Path("/s"), log=Log(dir=Path("/s/logs")))
BASE = Account(name="a", where="f:1", cookie=Secret("unb=1"))


def settings(*accounts: Account, fleet: Fleet = FLEET, refresh: Refresh | None = None) -> Settings:
    """Return the settings of these accounts."""
    by_name = {account.name: account for account in accounts}
    return Settings(path=Path("/f.yml"), fleet=fleet, refresh=refresh or Refresh(), accounts=by_name)


def replaced(**changes: Any) -> Account:
    """Return the base account with changes."""
    return msgspec.structs.replace(BASE, **changes)


def fleet(**changes: Any) -> Fleet:
    """Return the base fleet with changes."""
    return msgspec.structs.replace(FLEET, **changes)


def test_nothing_changed() -> None:
    """Equal readings touch nothing, also when an entry moved to another line."""
    assert diff(settings(BASE), settings(BASE)) == Changes(kept=("a",))
    assert diff(settings(BASE), settings(replaced(where="f:99"))) == Changes(kept=("a",))


def test_accounts_come_and_go() -> None:
    """Names decide; the order is that of the file that has them."""
    old = settings(*(replaced(name=name) for name in "abc"))
    new = settings(*(replaced(name=name) for name in "edb"))

    assert diff(old, new) == Changes(added=("e", "d"), removed=("a", "c"), kept=("b",))


LIVE: dict[str, Any] = {
    "label": "店",
    "tags": ("x",),
    "username": "u",
    "password": Secret("p"),
    "max_memory": 2**30,
    "renew_login": True,
    "apis": ("mtop.x",),
    "cycle": Cycle(retry=Retry(jitter=0.0)),
    "cookie_file": Path("/c"),
    "mail": Mail(keep_days=1.0),
    "identity": raw("X"),
    "ready": ReadyRules(ledger="/d"),
}
RESTARTED: dict[str, Any] = {
    "proxy": Secret("http://h:1"),
    "enabled": False,
    "handler": "replies:answer",
    "handler_env": {"KEY": Secret("k")},
    "webhook": Webhook(url=Secret("http://h/")),
}


@pytest.mark.parametrize("key", LIVE)
def test_live_settings(key: str) -> None:
    """These take effect without touching the socket."""
    assert diff(settings(BASE), settings(replaced(**{key: LIVE[key]}))) == Changes(live=("a",))


@pytest.mark.parametrize("key", RESTARTED)
def test_settings_that_need_a_restart(key: str) -> None:
    """These need a restart of this account, and of no other."""
    other = replaced(name="b")

    found = diff(settings(BASE, other), settings(replaced(**{key: RESTARTED[key]}), other))

    assert found == Changes(restarted=("a",), kept=("b",))


def test_every_setting_of_an_account_is_classified() -> None:
    """A setting added to the type and to neither list fails here; a webhook is in the second when it comes or goes."""
    assert {*LIVE, *RESTARTED} == set(Account.__struct_fields__) - {"name", "where", "cookie"}
    assert set(RESTARTED) - {"webhook"} == ACCOUNT_RESTART


def test_another_address_of_a_webhook_is_live() -> None:
    """Workers do not know it: the connection is not touched. A webhook that goes needs a restart."""
    before = replaced(webhook=Webhook(url=Secret("http://h/"), secret=Secret("k")))

    for after in (Webhook(url=Secret("http://i/"), secret=Secret("k")), Webhook(url=Secret("http://h/"))):
        assert diff(settings(before), settings(replaced(webhook=after))) == Changes(live=("a",))
    assert diff(settings(before), settings(BASE)) == Changes(restarted=("a",))


def test_an_equal_cookie_from_elsewhere_is_no_new_cookie() -> None:
    """Moving the same cookie into a file is live."""
    moved = replaced(cookie=Secret("unb=1"), cookie_file=Path("/c"))

    assert diff(settings(BASE), settings(moved)) == Changes(live=("a",))


def test_a_cookie_is_news_when_it_was_never_seen() -> None:
    """Another one than at the last reading may be known by now (finding 19); the one of then may come back as news."""
    other = settings(replaced(cookie=Secret("unb=1; x=2")))

    assert diff(settings(BASE), other) == Changes(kept=("a",))
    assert diff(settings(BASE), other, new_cookies={"a"}) == Changes(restarted=("a",))
    assert diff(settings(BASE), settings(BASE), new_cookies={"a"}) == Changes(restarted=("a",))
    assert diff(settings(BASE), settings(replaced(cookie=None))) == Changes(kept=("a",))


def test_an_account_that_was_not_told_yet_is_told_now() -> None:
    """What the fleet's settings are for each account decides, not what the last reading said (finding 12)."""
    both = settings(BASE, replaced(name="b"), fleet=fleet(hang_timeout=9.0))
    found = diff(both, both, told={"b": FLEET})

    assert found == Changes(live=("b",), kept=("a",))


def test_a_disabled_account_is_never_restarted() -> None:
    """It has no worker; switching it on is a start, told as a restart."""
    off = replaced(enabled=False)

    assert diff(settings(off), settings(off), new_cookies={"a"}) == Changes(live=("a",))
    assert diff(settings(off), settings(off, fleet=fleet(endpoint="wss://h/"))) == Changes(kept=("a",))
    assert diff(settings(off), settings(BASE)) == Changes(restarted=("a",))


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("fleet.name", {"name": "g"}),
        ("fleet.state_dir", {"state_dir": Path("/t")}),
        ("fleet.http", {"http": Http(host="127.0.0.1", port=1)}),
        ("fleet.ca_file", {"ca_file": Path("/ca")}),
        ("fleet.log.format", {"log": Log(dir=Path("/s/logs"), format="json")}),
        ("fleet.log.dir", {"log": Log(dir=None)}),
        ("fleet.log.max_bytes", {"log": Log(dir=Path("/s/logs"), max_bytes=1)}),
        ("fleet.log.backups", {"log": Log(dir=Path("/s/logs"), backups=3)}),
        ("fleet.log.total", {"log": Log(dir=Path("/s/logs"), total=1)}),
    ],
)
def test_settings_that_need_a_new_supervisor(key: str, changes: dict[str, Any]) -> None:
    """They are named, and no account is touched for them."""
    assert diff(settings(BASE), settings(BASE, fleet=fleet(**changes))) == Changes(fleet_restart=(key,), kept=("a",))


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("fleet.language", {"language": "zh"}),
        ("fleet.timezone", {"timezone": "Asia/Shanghai"}),
        ("fleet.token_url", {"token_url": "https://h/"}),
        ("fleet.connect_rate", {"connect_rate": 1.0}),
        ("fleet.catch_up_rate", {"catch_up_rate": 1.0}),
        ("fleet.token_rate", {"token_rate": 2.0}),
        ("fleet.restart.healthy_after", {"restart": Restart(healthy_after=1.0)}),
    ],
)
def test_live_settings_of_the_fleet(key: str, changes: dict[str, Any]) -> None:
    """The supervisor takes them up by itself."""
    assert diff(settings(BASE), settings(BASE, fleet=fleet(**changes))) == Changes(fleet_live=(key,), kept=("a",))


def test_settings_of_the_hook_are_live() -> None:
    """The next run of the hook has them."""
    refresh = Refresh(command=("/x",), timeout=9.0)

    found = diff(settings(BASE), settings(BASE, refresh=refresh))

    assert found == Changes(fleet_live=("refresh.command", "refresh.timeout"), kept=("a",))


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("fleet.hang_timeout", {"hang_timeout": 9.0}),
        ("fleet.log.beats", {"log": Log(dir=Path("/s/logs"), beats=False)}),
    ],
)
def test_settings_that_every_worker_is_told(key: str, changes: dict[str, Any]) -> None:
    """Live for the fleet, and live for each enabled account."""
    off = replaced(name="b", enabled=False)

    found = diff(settings(BASE, off), settings(BASE, off, fleet=fleet(**changes)))

    assert found == Changes(fleet_live=(key,), live=("a",), kept=("b",))


def test_another_endpoint_restarts_every_account() -> None:
    """From one real gateway to another each account dials anew."""
    found = diff(settings(BASE), settings(BASE, fleet=fleet(endpoint="wss://h/")))

    assert found == Changes(restarted=("a",))


def test_to_the_simulator_or_back_needs_a_new_supervisor() -> None:
    """The built-in gateway is started with the fleet."""
    simulated = fleet(endpoint=SIMULATOR, token_url=SIMULATOR, simulator=Simulator())
    expected = ("fleet.endpoint", "fleet.simulator", "fleet.token_url")

    assert diff(settings(BASE), settings(BASE, fleet=simulated)).fleet_restart == expected
    assert diff(settings(BASE, fleet=simulated), settings(BASE)).fleet_restart == expected


def test_what_the_simulator_plays_needs_a_new_supervisor() -> None:
    """A changed part of the section is told as the section."""
    before, after = (fleet(endpoint=SIMULATOR, simulator=Simulator(tls=tls)) for tls in (False, True))

    assert diff(settings(BASE, fleet=before), settings(BASE, fleet=after)) == Changes(
        fleet_restart=("fleet.simulator",), kept=("a",)
    )


def test_the_lists_name_real_settings() -> None:
    """No entry is a typing slip."""
    for path in FLEET_RESTART:
        value: Any = settings()
        for step in path.split("."):
            assert hasattr(value, step)
            value = getattr(value, step)


ACCOUNTS = st.lists(
    st.builds(
        replaced,
        name=st.sampled_from("abcd"),
        label=st.sampled_from(["", "x"]),
        proxy=st.sampled_from([None, Secret("http://h:1")]),
        enabled=st.booleans(),
        where=st.sampled_from(["f:1", "f:2"]),
    ),
    unique_by=lambda account: account.name,
)


@given(ACCOUNTS, ACCOUNTS, st.sampled_from([FLEET, fleet(hang_timeout=1.0), fleet(endpoint="wss://h/")]))
def test_every_account_is_in_exactly_one_group(old: list[Account], new: list[Account], changed: Fleet) -> None:
    """The five groups part the accounts of both readings."""
    found = diff(settings(*old), settings(*new, fleet=changed))
    groups = [found.added, found.removed, found.restarted, found.live, found.kept]

    names = [name for group in groups for name in group]
    assert sorted(names) == sorted({account.name for account in (*old, *new)})
    assert set(found.added) == {one.name for one in new} - {one.name for one in old}
