"""How long `start --wait` waits when nobody says how long: what the pacing needs for this file."""

from __future__ import annotations

from pathlib import Path

from xyfleet.supervisor.credentials.record import Credentials
from xyfleet.supervisor.runtime.patience import patience
from xyfleet.supervisor.settings import Account, Fleet, FleetRate, Refresh, Settings
from xyfleet.worker.secret import Secret

NOW = 1_000_000.0
FRESH = Credentials(cookie=Secret("unb=1"))
KNOWN = Credentials(cookie=Secret("unb=1"), token=Secret("t"), expires=NOW + 1)
NOBODY = Credentials()


def seconds(*held: Credentials, proxies: int = 0, hook: bool = False, rate: FleetRate | None = None) -> float:
    """Return the patience with these accounts, over so many proxies (0 = directly)."""
    ways: list[Secret | None] = [Secret(f"http://h:{number}") for number in range(proxies)]
    ways = ways or [None]
    accounts = {
        str(number): Account(name=str(number), where="f:1", proxy=ways[number % len(ways)])
        for number in range(len(held))
    }
    fleet = Fleet(name="f", state_dir=Path("/s"), fleet_rate=rate or FleetRate())
    refresh = Refresh(command=("/hook",), timeout=100.0, max_concurrent=3) if hook else Refresh()
    settings = Settings(path=Path("/f.yml"), fleet=fleet, refresh=refresh, accounts=accounts)
    return patience(settings, dict(zip(accounts, held, strict=True)), NOW)


def test_a_small_fleet_has_a_minute() -> None:
    """As ever: nothing of the pacing is felt."""
    assert seconds(FRESH) == 61
    assert seconds(*[FRESH] * 10) == 61


def test_token_calls_are_paced_per_egress_and_over_the_fleet() -> None:
    """200 new accounts directly: one call a second; over 50 proxies only the whole fleet's pace is felt."""
    assert seconds(*[FRESH] * 200) == 60 + 10 + 190 + 19
    assert seconds(*[FRESH] * 200, proxies=50) == 60 + 10 + 38 + 4


def test_who_has_a_token_needs_no_call() -> None:
    """A restart of the same fleet takes as long as its dials."""
    assert seconds(*[KNOWN] * 200) == 60 + 10 + 19
    assert seconds(*[KNOWN] * 200, rate=FleetRate(dials=1.0)) == 60 + 10 + 190


def test_first_logins_are_the_hooks() -> None:
    """Accounts without a cookie wait for the login hook, so many at a time; without a hook for a person."""
    assert seconds(*[NOBODY] * 7, hook=True) == 61 + 3 * 100
    assert seconds(*[NOBODY] * 7) == 61
