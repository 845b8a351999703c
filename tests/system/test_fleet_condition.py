"""Late answers, crossing commands and other people's troubles: findings about supervision, on running fleets.

The numbers are those of the findings: each test failed before an account's condition was one value.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.loginhook import calls_in, expire_login, with_hook
from xyfleet.supervisor.api.client import ClientError

FAILING = 'print(json.dumps({"error": "wrong password"}))'
SLOW_HUMAN = 'time.sleep(1.0); print(json.dumps({"error": "slider", "needs_human": True}))'


def act(fleet: Fleet, action: str, *names: str) -> dict[str, Any]:
    """Do something to accounts."""
    found: dict[str, Any] = fleet.client.post(f"/v1/accounts/{action}", {"names": list(names)})
    return found


def login(fleet: Fleet, index: int, serial: str) -> None:
    """Give an account a new cookie."""
    fleet.client.post("/v1/login", {"name": f"a{index}", "cookie": f"unb={unb(index)}; cookie2=sim-{serial}"})


def test_three_dead_logins_hold_nobody_else(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 1: in a fleet of 12 that is fine three logins die; a fourth account's ordinary drop heals at once."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=12)
    with_hook(fleet, FAILING, cooldown=600)
    with running(fleet):
        fleet.wait_connected()
        for index in range(3):
            expire_login(gateway, unb(index))
        fleet.until(lambda: all(fleet.accounts()[f"a{n}"]["cause"] == "auth" for n in range(3)), "three are dead")
        gateway.drop(unb(5))
        fleet.until(lambda: fleet.accounts()["a5"]["generation"] == 2 and fleet.connected("a5"), "a5 is back", 5.0)
        assert fleet.status()["fleet"]["outages"] == []
        login(fleet, 1, "good")
        gateway.clear()
        fleet.until(lambda: fleet.connected("a1"), "the owner's good cookie connects", 5.0)


def test_an_outage_of_dead_logins_ends_with_good_cookies(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 2: all logins dead, canary failed; good cookies for all bring all back, whatever the canary does."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=4)
    with_hook(fleet, FAILING, cooldown=600)
    with running(fleet):
        fleet.wait_connected()
        for index in range(4):
            expire_login(gateway, unb(index))
        fleet.until(lambda: fleet.status()["fleet"]["outages"], "an outage")
        gateway.clear()
        for index in range(4):
            login(fleet, index, "new")
        fleet.wait_connected(10.0)
        fleet.until(lambda: not fleet.status()["fleet"]["outages"], "it is over")


def test_a_reload_with_a_new_cookie_ends_the_hook(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 6: the hook's late answer (a person is needed) says nothing about the owner's newer cookie."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    calls = with_hook(fleet, SLOW_HUMAN)
    with running(fleet):
        fleet.wait_connected()
        expire_login(gateway, unb(0))
        fleet.until(lambda: calls_in(calls), "the hook runs")
        gateway.clear()
        fleet.config["accounts"][0]["cookie"] = f"unb={unb(0)}; cookie2=sim-newer"
        fleet.write()
        fleet.client.post("/v1/reload", {})
        fleet.wait_connected(5.0)
        time.sleep(1.2)  # longer than the hook would have taken
        assert fleet.accounts()["a0"]["process"] == "running"
        assert len(calls_in(calls)) == 1


def test_refresh_of_a_healthy_account_is_one_login(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 7: an operator's refresh whose hook fails is not repeated while the account is connected."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    calls = with_hook(fleet, FAILING, cooldown=0.2)
    with running(fleet):
        fleet.wait_connected()
        act(fleet, "refresh", "a0")
        fleet.until(lambda: calls_in(calls), "it runs")
        time.sleep(1.5)  # seven cool-downs
        assert len(calls_in(calls)) == 1
        assert fleet.accounts()["a0"]["state"] == "CONNECTED"


def test_tickets_end_with_a_stop(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 9: a stopped account makes no token call, and the fleet's stop waits for none that hangs."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(kind="token_slow", seconds=30)
        gateway.fault(kind="reg_401", once=True)
        gateway.drop()
        fleet.until(lambda: not fleet.connected("a0") and not fleet.connected("a1"), "both want new tokens")
        act(fleet, "stop", "a0")
        before = gateway.stats(unb(0))["token_calls"]
        time.sleep(0.5)
        assert gateway.stats(unb(0))["token_calls"] == before
        began = time.monotonic()
        assert fleet.stop(8.0) == 0
        assert time.monotonic() - began < 6.0


def test_login_within_a_stop_starts_it(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 13: while `stop` waits for a worker that hangs `login` comes: the account runs again after it."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    with running(fleet):
        fleet.wait_connected()
        pid = fleet.pids()["a0"]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        stopping = threading.Thread(target=act, args=(fleet, "stop", "a0"))
        stopping.start()
        fleet.until(lambda: fleet.accounts()["a0"]["process"] == "stopping", "it is on its way out")
        login(fleet, 0, "after")
        os.kill(pid, signal.SIGCONT)
        stopping.join()
        fleet.wait_connected(10.0)
        assert fleet.accounts()["a0"]["desired"] == "running"
        assert fleet.pids()["a0"] != pid


def test_a_removal_and_a_stop_at_once_end_well(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 10: SIGTERM while a reload removes an account whose worker hangs: exit 0, and no fault in the log."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=4)
    with running(fleet):
        fleet.wait_connected()
        pid = fleet.pids()["a3"]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        fleet.config["accounts"].pop()
        fleet.write()
        reloading = threading.Thread(target=reload, args=(fleet,))
        reloading.start()
        fleet.until(lambda: fleet.accounts()["a3"]["process"] == "stopping", "it is being removed")
        assert fleet.stop(9.0) == 0
        reloading.join()
        assert "Traceback" not in fleet.own_log() + fleet.console()


def reload(fleet: Fleet) -> None:
    """Reload; the fleet may be gone before it answers."""
    with contextlib.suppress(ClientError):
        fleet.client.post("/v1/reload", {})


def test_a_hook_added_by_reload_helps_who_waits(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 25: an account in `needs_login` for want of a hook is logged in when a reload brings one."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    with running(fleet):
        fleet.wait_connected()
        expire_login(gateway, unb(0))
        fleet.until(lambda: fleet.accounts()["a0"]["process"] == "needs_login", "it needs a login")
        gateway.clear()
        with_hook(fleet)
        fleet.write()
        fleet.client.post("/v1/reload", {})
        fleet.wait_connected(10.0)


def test_a_live_setting_lifts_no_hold(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 25: a fleet-wide live change makes no token call for an account under risk control."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(unb(0), kind="risk")
        gateway.fault(unb(0), kind="reg_401", once=True)
        gateway.drop(unb(0))
        fleet.until(lambda: fleet.accounts()["a0"]["cause"] == "risk", "risk control")
        before = gateway.stats(unb(0))["token_calls"]
        fleet.config["fleet"]["hang_timeout"] = 3
        fleet.write()
        fleet.client.post("/v1/reload", {})
        time.sleep(0.7)
        assert gateway.stats(unb(0))["token_calls"] == before
        assert fleet.accounts()["a0"]["process"] == "waiting"
