"""What a reload refuses to do without being told so: end a large part of the fleet."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from support.fleet import Fleet, account, running, unb
from support.gateway import Gateway
from xyfleet.supervisor.api.client import Refused


def test_a_reload_that_ends_much_of_the_fleet_is_refused(tmp_path: Path, gateway: Gateway) -> None:
    """Three may go; four of six, removed or disabled, go only when it is said to be meant; a new browser waits."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=6)
    with running(fleet):
        fleet.wait_connected()
        fleet.config["accounts"] = [account(0, enabled=False), account(1, identity={"browser": "edge"}), account(2)]
        fleet.write()
        with pytest.raises(Refused, match=r"4 of 6 accounts would be removed or disabled .*reload --yes") as caught:
            fleet.client.post("/v1/reload", {"yes": False})
        assert caught.value.code == "not_possible"
        fleet.wait_connected()
        assert len(fleet.accounts()) == 6
        assert len(fleet.client.post("/v1/reload", {"yes": True})["removed"]) == 3
        browsers = {name: (one["browser"], one["next_browser"]) for name, one in fleet.accounts().items()}
        assert browsers["a1"] == ("Chrome 151 (Windows)", "Edge 151 (Windows)")
        assert browsers["a2"] == ("Chrome 151 (Windows)", None)
        assert any("first for a1: Edge 151" in note for note in fleet.status()["fleet"]["notes"])


def test_an_include_that_fits_nothing_any_more_is_refused(tmp_path: Path, gateway: Gateway) -> None:
    """A folder of accounts that is gone at a reload, as one that is not mounted, ends none of them."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    fleet.config["include"] = ["more.d/*.yml", "later.d/*.yml"]
    more = tmp_path / "more.d"
    more.mkdir()
    (more / "a1.yml").write_text("accounts: [{name: a1, cookie: unb=2200000000002; cookie2=sim}]\n")
    with running(fleet):
        fleet.wait_connected()
        more.rename(tmp_path / "away")
        with pytest.raises(Refused, match="no file fits this pattern any more") as caught:
            fleet.client.post("/v1/reload")
        assert caught.value.code == "bad_file"
        assert sorted(fleet.accounts()) == ["a0", "a1"]
        fleet.config["include"] = []
        fleet.write()
        assert fleet.client.post("/v1/reload")["removed"] == ["a1"]


def test_an_account_on_its_way_out_takes_no_more_orders(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 32: stop, restart and login of an account that a reload removes just now are refused with a sentence."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    with running(fleet):
        fleet.wait_connected()
        pid = fleet.pids()["a1"]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        fleet.config["accounts"].pop()
        fleet.write()
        reloading = threading.Thread(target=fleet.client.post, args=("/v1/reload",))
        reloading.start()
        fleet.until(lambda: fleet.accounts()["a1"]["process"] == "stopping", "it is being removed")
        for action in ("stop", "restart"):
            answer = fleet.client.post(f"/v1/accounts/{action}", {"names": ["a1"]})
            assert answer["done"] == []
            assert "on its way out" in answer["refused"]["a1"]
        with pytest.raises(Refused, match="on its way out"):
            fleet.client.post("/v1/login", {"name": "a1", "cookie": f"unb={unb(1)}; cookie2=sim"})
        os.kill(pid, signal.SIGCONT)
        reloading.join()
        assert list(fleet.accounts()) == ["a0"]
        fleet.config["accounts"].append(account(1))
        fleet.write()
        fleet.client.post("/v1/reload")
        assert fleet.accounts()["a1"]["desired"] == "running"
