"""The browser in which a person logs in has a folder for each user, and it goes with all else that is his."""

from __future__ import annotations

from pathlib import Path

from support.idlefleet import idle_fleet
from xyfleet.supervisor.control.operations import FleetOperations
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.secret import Secret

NOBODY_YET = {"name": "new"}
STOPPED = {"name": "old", "cookie": "unb=2201; cookie2=x", "enabled": False}


def operating(fleet: Fleet) -> FleetOperations:
    """Return what an operator can ask of a fleet."""
    return FleetOperations(fleet, {}, language="en", detached=True, end=lambda: None)


async def test_a_profile_is_its_users(tmp_path: Path, forkserver: Forkserver) -> None:
    """Under another name he keeps it; who has his old name gets another one, or the platform sees both as one."""
    async with idle_fleet(tmp_path, forkserver, [NOBODY_YET]) as fleet:
        operate = operating(fleet)
        first = operate.browser_place("new").profile
        first.mkdir(parents=True)
        (first / "Cookies").write_text("x")
        fleet.store.replace("new", Secret("unb=2200; cookie2=x"), "login")
        profile = operate.browser_place("new").profile
        kept = (profile / "Cookies").exists()
        fleet.store.assign({"new": "2299"})
        another = operate.browser_place("new").profile

    assert first == tmp_path / "state" / "browsers" / "names" / "new"
    assert profile == tmp_path / "state" / "browsers" / "2200"
    assert kept
    assert not first.exists()
    assert another == tmp_path / "state" / "browsers" / "2299"


async def test_forget_deletes_the_profile(tmp_path: Path, forkserver: Forkserver) -> None:
    """Its cookies are a login; a link in it, or in its place, leads nowhere."""
    away = tmp_path / "away"
    away.mkdir()
    (away / "file").write_text("x")
    async with idle_fleet(tmp_path, forkserver, [STOPPED]) as fleet:
        operate = operating(fleet)
        profile = operate.browser_place("old").profile
        (profile / "Default").mkdir(parents=True)
        (profile / "Default" / "Cookies").write_text("x")
        (profile / "Default" / "link").symlink_to(away)
        forgotten = await operate.forget("old", "li")

    assert str(profile) in forgotten.deleted
    assert not profile.exists()
    assert (away / "file").exists()
