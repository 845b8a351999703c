"""`xyfleet login NAME --qr` on a whole fleet: first logins, wrong shops, and what happens meanwhile."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from xyfleet.supervisor.api.client import Refused


class Scan:
    """A login by code as the API streams it."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self._lines: Generator[bytes] = fleet.client.told("/v1/login/qr", {"name": name}, timeout=20, silence=20)
        self.code = self.next()

    def leave(self) -> None:
        """Hang up."""
        self._lines.close()

    def next(self) -> dict[str, Any]:
        """Return the next line that says something."""
        for line in self._lines:
            said: dict[str, Any] = json.loads(line)
            if said["step"] != "waiting":
                return said
        raise AssertionError("the stream ended")


def phone(gateway: Gateway, do: str, user: str = "") -> None:
    """Do something with the phone to the newest code."""
    gateway.ask("POST", "qr", {"do": do, "unb": user})


def test_first_and_later_logins_by_code(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """A first login connects, and pins its user; a later one by another shop's app names both, and changes nothing."""
    gateway = fresh_gateway
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    fleet.config["accounts"][0]["label"] = "旗舰店"
    fleet.config["accounts"].append({"name": "new", "label": "新店"})
    with running(fleet):
        fleet.until(lambda: fleet.accounts()["new"]["process"] == "needs_login", "the new one waits for a person")
        scan = Scan(fleet, "new")
        assert scan.code["code"].startswith("https://")
        with pytest.raises(Refused, match="under way"):
            Scan(fleet, "new")
        phone(gateway, "confirm", unb(7))
        assert scan.next() == {"step": "done"}
        fleet.wait_connected()

        wrong = Scan(fleet, "new")
        phone(gateway, "confirm", unb(0))
        said = wrong.next()
        assert said["step"] == "failed"
        assert "a0 (旗舰店)" in said["message"]
        assert "new (新店)" in said["message"]

        stranger = Scan(fleet, "new")
        phone(gateway, "confirm", unb(8))
        assert unb(8) in stranger.next()["message"]
        assert fleet.connected()
        users = sorted(path.stem for path in (tmp_path / "state" / "users").glob("*.json"))
        assert users == [unb(0), unb(7)]
        assert gateway.stats(unb(7))["overlaps"] == 0


def test_what_happens_meanwhile_ends_a_login(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """After a stop, and after another login, a confirmation is dropped; a check is shown; who goes away ends it."""
    gateway = fresh_gateway
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=4)
    with running(fleet):
        fleet.wait_connected()
        stopped, newer, checked = (Scan(fleet, name) for name in ("a0", "a1", "a2"))
        with pytest.raises(Refused, match="3 logins"):
            Scan(fleet, "a3")
        phone(gateway, "check")  # the newest, a2's
        fleet.client.post("/v1/accounts/stop", {"names": ["a0"]}, timeout=20)
        fleet.client.post("/v1/login", {"name": "a1", "cookie": f"unb={unb(1)}; cookie2=pasted"}, timeout=20)
        keys = list(gateway.ask("GET", "passport")["codes"])
        for key, user in zip(keys, (unb(0), unb(1)), strict=False):
            gateway.ask("POST", "qr", {"do": "confirm", "unb": user, "ck": key})

        assert stopped.next()["step"] == "failed"
        assert "meanwhile" in newer.next()["message"]
        said = checked.next()
        assert said["step"] == "check"
        assert "Chrome" in said["message"]
        assert fleet.accounts()["a0"]["process"] == "stopped"
        assert "pasted" in (tmp_path / "state" / "users" / f"{unb(1)}.json").read_text()

        Scan(fleet, "a2").leave()
        fleet.until(lambda: _may_begin(fleet, "a2"), "the login whose asker went away is over", 30)


def _may_begin(fleet: Fleet, name: str) -> bool:
    """Whether a login can be begun."""
    try:
        Scan(fleet, name).leave()
    except Refused:
        return False
    return True
