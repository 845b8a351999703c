"""A reload is a reconciliation: all is looked at before anything is touched, and what was left undone is done next."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest

from support.fleet import Fleet, account, all_gone, running, unb
from support.gateway import Gateway
from xyfleet.supervisor.api.client import ClientError, Refused


def test_state_that_can_not_be_used_refuses_a_reload_as_a_whole(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 12: the state file of an added account is a newer version's; nothing is touched, and all goes on."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    with running(fleet):
        fleet.wait_connected()
        before = fleet.pids()
        newer = tmp_path / "state" / "users" / f"{unb(4)}.json"
        newer.write_text('{"schema": 99}')
        newer.chmod(0o600)
        fleet.config["accounts"] = [account(0, label="first"), account(1), account(3), account(4)]
        fleet.write()
        for _ in range(2):
            with pytest.raises(
                Refused, match=r"2200000000005\.json was written by a newer xyfleet .*nothing was changed"
            ) as caught:
                fleet.client.post("/v1/reload")
            assert caught.value.code == "not_possible"
        newer.write_text("{}")
        newer.chmod(0o666)
        with pytest.raises(Refused, match=r"2200000000005\.json: other users may write to it; nothing was changed"):
            fleet.client.post("/v1/reload")
        assert fleet.pids() == before
        assert fleet.accounts()["a0"]["label"] == ""
        newer.unlink()
        answer = fleet.client.post("/v1/reload")
        assert [answer[key] for key in ("added", "removed", "applied")] == [["a3", "a4"], ["a2"], ["a0"]]
        fleet.wait_connected()
        assert fleet.client.post("/v1/reload")["unchanged"] == 4


def test_a_watched_cookie_taken_live_is_no_change_later(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 19: a cookie_file's new cookie is taken; a reload for another account's label leaves this one alone."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    cookie = tmp_path / "cookie"
    cookie.write_text(f"unb={unb(0)}; cookie2=sim-1")
    cookie.chmod(0o600)
    fleet.config["accounts"][0] = {"name": "a0", "cookie_file": "cookie"}
    with running(fleet):
        fleet.wait_connected()
        calls = gateway.stats(unb(0))["token_calls"]
        cookie.write_text(f"unb={unb(0)}; cookie2=sim-2")
        fleet.until(lambda: gateway.stats(unb(0))["token_calls"] > calls, "it is taken")
        fleet.wait_connected()
        before, dials = fleet.pids(), gateway.stats(unb(0))["dials"]
        fleet.config["accounts"][1]["label"] = "second"
        fleet.write()
        answer = fleet.client.post("/v1/reload")
        assert (answer["restarted"], answer["applied"], answer["unchanged"]) == ([], ["a1"], 1)
        assert (fleet.pids(), gateway.stats(unb(0))["dials"]) == (before, dials)


def test_a_cookie_file_written_while_the_fleet_starts_is_not_missed(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 35: what was written between the reading of the file and the first look is taken at that look."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    cookie = tmp_path / "cookie"
    cookie.write_text(f"unb={unb(0)}; cookie2=sim-1")
    cookie.chmod(0o600)
    fleet.config["accounts"][0] = {"name": "a0", "cookie_file": "cookie"}
    (tmp_path / "sitecustomize.py").write_text(SLOW_SERVICE)
    with running(fleet):
        fleet.wait_connected()  # the file's cookie is known from now on
    fleet.env["PYTHONPATH"] = str(tmp_path)
    try:
        fleet.start(wait=False)
        fleet.until(lambda: (tmp_path / "read").exists(), "the settings were read")
        cookie.write_text(f"unb={unb(0)}; cookie2=sim-2")
        (tmp_path / "go").touch()
        fleet.until(lambda: "new cookie in " in fleet.own_log(), "it is taken")
        fleet.wait_connected()
    finally:
        fleet.close()


def test_a_stop_while_a_reload_adds_accounts_ends_well(tmp_path: Path, gateway: Gateway) -> None:
    """SIGTERM while half of the added accounts are there: exit 0, no fault; the next start has them all."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    with running(fleet):
        fleet.wait_connected()
        fleet.config["accounts"] = [account(number) for number in range(30)]
        fleet.write()
        reloading = threading.Thread(target=reload, args=(fleet,))
        reloading.start()
        fleet.until(lambda: len(fleet.accounts()) > 2, "accounts are added")
        family = fleet.family()
        assert fleet.stop(9.0) == 0
        reloading.join()
        assert all_gone(family)
        assert "Traceback" not in fleet.own_log() + fleet.console()
    with running(fleet):
        assert len(fleet.accounts()) == 30
        assert fleet.client.post("/v1/reload")["unchanged"] == 30


def reload(fleet: Fleet) -> None:
    """Reload; the fleet may be gone before it answers."""
    with contextlib.suppress(ClientError):
        fleet.client.post("/v1/reload", {})


SLOW_SERVICE = """
import os, sys, time

here = os.path.dirname(os.path.abspath(__file__))


class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "xyfleet.supervisor.runtime.service":
            open(os.path.join(here, "read"), "w").close()
            while not os.path.exists(os.path.join(here, "go")):
                time.sleep(0.01)
        return None


sys.meta_path.insert(0, Slow())
"""
