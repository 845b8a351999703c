"""What operators do: stop, restart, reconnect, refresh, reload; and what stays as it was meanwhile."""

from __future__ import annotations

import copy
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, account, running, unb
from support.gateway import Gateway
from xyfleet.supervisor.api.client import Refused


@contextmanager
def four(folder: Path, gateway: Gateway) -> Iterator[Fleet]:
    """Run four accounts that are CONNECTED, two of them tagged."""
    found = Fleet(folder, gateway.endpoint, gateway.token_url, accounts=4)
    for index in (1, 2):
        found.config["accounts"][index]["tags"] = ["phones"]
    with running(found):
        found.wait_connected()
        yield found


@pytest.fixture
def fleet(tmp_path: Path, gateway: Gateway) -> Iterator[Fleet]:
    """A fleet for a test that ends it."""
    with four(tmp_path, gateway) as found:
        yield found


@pytest.fixture(scope="module")
def own_gateway() -> Iterator[Gateway]:
    """A gateway that nobody resets while shared fleets are on it."""
    with Gateway() as found:
        yield found


@pytest.fixture(scope="module")
def _shared_fleet(tmp_path_factory: pytest.TempPathFactory, own_gateway: Gateway) -> Iterator[Fleet]:
    with four(tmp_path_factory.mktemp("fleet"), own_gateway) as found:
        yield found


@pytest.fixture
def shared_fleet(_shared_fleet: Fleet) -> Iterator[Fleet]:
    """The same for tests that leave it running: they share one, and each finds the file as it was at first."""
    config = copy.deepcopy(_shared_fleet.config)
    yield _shared_fleet
    _shared_fleet.config = config
    _shared_fleet.write()
    _shared_fleet.client.post("/v1/reload", timeout=30)
    _shared_fleet.wait_connected()


@pytest.fixture(scope="module")
def seen_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One for all that is refused and must change nothing, on a gateway that nobody resets."""
    with Gateway() as gateway:
        found = Fleet(tmp_path_factory.mktemp("fleet"), gateway.endpoint, gateway.token_url, accounts=2)
        with running(found):
            found.wait_connected()
            yield found


def act(fleet: Fleet, action: str, *names: str) -> Any:
    """Do something to accounts and return the answer."""
    return fleet.client.post(f"/v1/accounts/{action}", {"names": list(names)}, timeout=20)


def sockets(fleet: Fleet, *names: str) -> dict[str, tuple[int, int]]:
    """Return pid and connection number of accounts: equal ones mean that the socket stayed open."""
    return {n: (a["pid"], a["generation"]) for n, a in fleet.accounts().items() if not names or n in names}


def test_stopped_stays_stopped_over_restarts(fleet: Fleet, gateway: Gateway) -> None:
    """Desired state is stored: a new supervisor keeps it and says who and when; --fresh forgets it."""
    assert act(fleet, "stop", "@phones")["done"] == ["a1", "a2"]
    assert gateway.stats(unb(1))["live"] == gateway.stats(unb(2))["live"] == 0
    seen = fleet.accounts()["a1"]
    assert (seen["state"], seen["process"], seen["pid"], seen["desired"]) == ("CLOSED", "stopped", None, "stopped")
    assert seen["desired_by"]
    fleet.stop()
    fleet.start()
    fleet.until(lambda: fleet.connected("a0", "a3"), "the others connect")
    assert fleet.accounts()["a1"]["process"] == "stopped"
    fleet.stop()
    fleet.start("--fresh")
    fleet.wait_connected()


def test_restart_starts_a_stopped_one_and_is_not_counted(shared_fleet: Fleet) -> None:
    """`restart` gives a new process, also to a stopped account; `restarts` counts faults only."""
    fleet = shared_fleet
    act(fleet, "stop", "a0")
    before = sockets(fleet)
    act(fleet, "restart", "a0", "a1")
    fleet.until(lambda: fleet.connected() and sockets(fleet)["a1"][0] != before["a1"][0], "both are back")
    accounts = fleet.accounts()
    assert accounts["a0"]["desired"] == "running"
    assert (accounts["a0"]["restarts"], accounts["a1"]["restarts"]) == (0, 0)
    assert sockets(fleet, "a2", "a3") == {n: before[n] for n in ("a2", "a3")}


def test_reconnect_keeps_the_process(shared_fleet: Fleet) -> None:
    """`reconnect` makes a new connection of the same worker, and is no failure."""
    fleet = shared_fleet
    before = sockets(fleet)
    act(fleet, "reconnect", "a0")
    fleet.until(
        lambda: sockets(fleet)["a0"] == (before["a0"][0], before["a0"][1] + 1) and fleet.connected(), "connected again"
    )
    assert fleet.accounts()["a0"]["failures"] == 0


def test_refresh_without_a_hook_is_refused_with_the_reason(seen_fleet: Fleet) -> None:
    """An action that can't be done says why, and changes nothing."""
    answer = act(seen_fleet, "refresh", "a0")
    assert answer["done"] == []
    assert "hook" in answer["refused"]["a0"]


def test_unknown_name_changes_nothing(seen_fleet: Fleet) -> None:
    """One unknown word and nothing is done to the others either."""
    fleet = seen_fleet
    before = sockets(fleet)
    with pytest.raises(Refused) as refusal:
        act(fleet, "stop", "a0", "nobody")
    assert refusal.value.code == "unknown_account"
    assert sockets(fleet) == before


def test_reload_touches_only_what_changed(shared_fleet: Fleet, own_gateway: Gateway) -> None:
    """Added, removed, changed accounts are; the sockets of the others stay open."""
    fleet, gateway = shared_fleet, own_gateway
    before = sockets(fleet)
    fleet.config["accounts"][0]["label"] = "旗舰店"
    fleet.config["accounts"][1]["handler"] = "replies:answer"
    (fleet.folder / "replies.py").write_text("async def answer(message, account):\n    return None\n")
    del fleet.config["accounts"][2]
    fleet.config["accounts"].append(account(9))
    fleet.write()
    answer = fleet.client.post("/v1/reload", timeout=30)
    assert answer["added"] == ["a9"]
    assert answer["removed"] == ["a2"]
    assert answer["restarted"] == ["a1"]
    assert answer["applied"] == ["a0"]
    assert answer["unchanged"] == 1
    assert gateway.stats(unb(2))["live"] == 0
    fleet.until(fleet.connected, "all connected")
    after = sockets(fleet)
    assert set(after) == {"a0", "a1", "a3", "a9"}
    assert (after["a0"], after["a3"]) == (before["a0"], before["a3"])
    assert after["a1"][0] != before["a1"][0]
    assert fleet.accounts()["a0"]["label"] == "旗舰店"


def test_bad_file_on_reload_changes_nothing(seen_fleet: Fleet) -> None:
    """The faults are named with their lines; the fleet goes on with what it has."""
    fleet = seen_fleet
    before = sockets(fleet)
    fleet.file.write_text(fleet.file.read_text().replace("heartbeat_timeout: 0.4", "heartbeat_timeout: 0.1"))
    with pytest.raises(Refused) as refusal:
        fleet.client.post("/v1/reload", timeout=30)
    assert refusal.value.code == "bad_file"
    assert "heartbeat_timeout" in refusal.value.message
    assert sockets(fleet) == before


def test_cycle_settings_apply_without_a_new_connection(shared_fleet: Fleet, own_gateway: Gateway) -> None:
    """A new heartbeat_interval reaches the live worker."""
    fleet, gateway = shared_fleet, own_gateway
    before = sockets(fleet)
    fleet.config["defaults"] |= {"heartbeat_interval": 0.05, "heartbeat_send_timeout": 0.04}
    fleet.write()
    assert len(fleet.client.post("/v1/reload", timeout=30)["applied"]) == 4
    start = gateway.stats(unb(0))["beats"]
    fleet.until(lambda: gateway.stats(unb(0))["beats"] >= start + 40, "it beats faster", timeout=4)
    assert sockets(fleet) == before


def test_disabled_account_is_closed(shared_fleet: Fleet) -> None:
    """`enabled: false` closes the account; it is not counted in the fleet's states."""
    fleet = shared_fleet
    fleet.config["accounts"][3]["enabled"] = False
    fleet.write()
    fleet.client.post("/v1/reload", timeout=30)
    fleet.until(lambda: fleet.accounts()["a3"]["process"] == "disabled", "disabled")
    assert fleet.accounts()["a3"]["state"] == "CLOSED"
    assert fleet.status()["fleet"]["states"] == {"CONNECTED": 3}


def test_sighup_reloads_a_detached_fleet(tmp_path: Path, gateway: Gateway) -> None:
    """SIGHUP: a detached fleet reads its file again."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    with running(fleet, "--detach"):
        fleet.wait_connected()
        fleet.config["accounts"].append(account(5))
        fleet.write()
        assert fleet.process is not None
        fleet.process.send_signal(signal.SIGHUP)
        fleet.until(lambda: len(fleet.accounts()) == 4, "the new account")
        fleet.wait_connected()
