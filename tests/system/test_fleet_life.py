"""A fleet from start to stop, with real processes against the built-in gateway."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.fleet import Fleet, account, all_gone, running, unb
from support.gateway import Gateway


@pytest.fixture
def fleet(tmp_path: Path, gateway: Gateway) -> Iterator[Fleet]:
    """Three accounts that are CONNECTED."""
    with running(Fleet(tmp_path, gateway.endpoint, gateway.token_url, warm=True)) as found:
        found.wait_connected()
        yield found


@pytest.fixture(scope="module")
def own_gateway() -> Iterator[Gateway]:
    """A gateway that nobody resets while the fleet of the lookers-on is on it."""
    with Gateway() as found:
        yield found


@pytest.fixture(scope="module")
def seen_fleet(tmp_path_factory: pytest.TempPathFactory, own_gateway: Gateway) -> Iterator[Fleet]:
    """The same for tests that only look at it: they share one."""
    folder = tmp_path_factory.mktemp("fleet")
    with running(Fleet(folder, own_gateway.endpoint, own_gateway.token_url, warm=True)) as found:
        found.wait_connected()
        yield found


@pytest.mark.pythons
def test_every_account_has_a_process_of_its_own_and_beats(seen_fleet: Fleet, own_gateway: Gateway) -> None:
    """Each account is CONNECTED by a process named after it, and its beats are answered."""
    fleet = seen_fleet
    fleet.until(lambda: all(a["heartbeat"]["streak"] >= 3 for a in fleet.accounts().values()), "three beats answered")
    accounts = fleet.accounts()
    assert len({a["pid"] for a in accounts.values()}) == 3
    for index, (name, seen) in enumerate(accounts.items()):
        assert psutil.Process(seen["pid"]).cmdline()[0] == f"xyfleet: {name}"
        assert (seen["process"], seen["cause"], seen["restarts"], seen["generation"]) == ("running", None, 0, 1)
        assert seen["heartbeat"]["success_rate"] == 1.0
        assert seen["heartbeat"]["rtt_ms"]["mean"] > 0
        assert own_gateway.stats(unb(index))["max_live"] == 1
    assert fleet.status()["fleet"]["states"] == {"CONNECTED": 3}


@pytest.mark.pythons
def test_stop_closes_politely_and_leaves_nothing(fleet: Fleet, gateway: Gateway) -> None:
    """SIGTERM: exit code 0 within 2 s, clean close frames, no process and no record left."""
    family = fleet.family()
    start = time.monotonic()
    assert fleet.stop() == 0
    assert time.monotonic() - start < 2.0
    assert all_gone(family, within=2.0)
    assert all(gateway.stats(unb(i))["closes"] == {"1000": 1} for i in range(3))
    assert not list((fleet.folder / "home").rglob("*.json"))
    assert not (fleet.run_dir / "control.sock").exists()


def test_second_supervisor_is_refused_with_the_first_ones_pid(seen_fleet: Fleet) -> None:
    """A second start on the same fleet changes nothing and names the pid."""
    fleet = seen_fleet
    assert fleet.process is not None
    words = [sys.executable, "-m", "xyfleet.supervisor", "--file", str(fleet.file)]
    second = subprocess.run(words, env=fleet.env, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert str(fleet.process.pid) in second.stderr
    assert fleet.connected()


def test_same_name_on_another_state_folder_is_refused(seen_fleet: Fleet, tmp_path: Path, gateway: Gateway) -> None:
    """Two running fleets of one name could not be told apart."""
    twin = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    twin.config["accounts"] = [account(7)]
    twin.env |= {"XDG_STATE_HOME": seen_fleet.env["XDG_STATE_HOME"]}
    twin.start(wait=False)
    assert twin.process is not None
    assert twin.process.wait(20) == 1
    assert "test" in twin.console()


@pytest.mark.pythons
def test_tokens_survive_a_restart_of_the_supervisor(fleet: Fleet, gateway: Gateway) -> None:
    """A second life needs no token call and no other device id."""
    calls = [gateway.stats(unb(i))["token_calls"] for i in range(3)]
    fleet.stop()
    fleet.start()
    fleet.wait_connected()
    assert [gateway.stats(unb(i))["token_calls"] for i in range(3)] == calls


def test_signal_during_the_start_of_many_ends_everything(tmp_path: Path, gateway: Gateway) -> None:
    """SIGTERM in the middle of the start leaves no process behind."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=30)
    with running(fleet):
        fleet.until(lambda: len(fleet.family()) > 8, "some workers started")
        family = fleet.family()
        assert fleet.stop() == 0
        assert all_gone(family, within=2.0)


@pytest.mark.pythons
def test_second_signal_ends_at_once(tmp_path: Path, gateway: Gateway) -> None:
    """With a worker that can't close politely (SIGSTOP), a second SIGTERM does not wait for its 5 s."""
    with running(Fleet(tmp_path, gateway.endpoint, gateway.token_url)) as fleet:
        fleet.wait_connected()
        assert fleet.process is not None
        psutil.Process(fleet.accounts()["a1"]["pid"]).suspend()
        fleet.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        start = time.monotonic()
        fleet.process.send_signal(signal.SIGTERM)
        assert fleet.process.wait(5) == 0
        assert time.monotonic() - start < 2.0


def test_control_socket_comes_back(fleet: Fleet) -> None:
    """A cleaner that removes the whole run folder locks nobody out: not the owner, not new workers."""
    forkserver, pid = fleet.forkserver(), fleet.accounts()["a0"]["pid"]
    shutil.rmtree(fleet.run_dir)
    psutil.Process(pid).kill()
    fleet.until(fleet.answers, "the socket is there again")
    fleet.until(lambda: fleet.accounts()["a0"]["pid"] not in (None, pid) and fleet.connected(), "a0 is back")
    shutil.rmtree(fleet.run_dir)
    forkserver.kill()
    fleet.until(lambda: fleet.answers() and fleet.connected() and fleet.forkserver() != forkserver, "all are back")


def restart_all(fleet: Fleet) -> None:
    """Give every account a new process."""
    before = fleet.pids()
    fleet.client.post("/v1/accounts/restart", {"names": ["*"]})
    fleet.until(lambda: fleet.replaced(before), "all are new")


def test_file_descriptors_stay_level(fleet: Fleet) -> None:
    """Many restarts leave the supervisor and the forkserver with the descriptors they had."""
    assert fleet.process is not None
    both = [psutil.Process(fleet.process.pid), fleet.forkserver()]
    restart_all(fleet)
    before = descriptors(fleet, both)
    for _ in range(3):
        restart_all(fleet)
    fleet.until(lambda: descriptors(fleet, both) == before, f"as many as before: {before}")


def descriptors(fleet: Fleet, processes: list[psutil.Process]) -> list[int]:
    """Return how many each has open, once none was opened or closed for half a second."""
    counts: list[list[int]] = []

    def calm() -> bool:
        counts.append([process.num_fds() for process in processes])
        return counts[-25:] == counts[-1:] * 25

    fleet.until(calm, f"level file descriptors: {counts[-25:]}")
    return counts[-1]


def test_no_secret_shows_anywhere(seen_fleet: Fleet) -> None:
    """Cookie and token are in no log, no console, no status, no environment and no command line."""
    fleet = seen_fleet
    token = "sim-" + unb(0)
    texts = [fleet.console(), fleet.own_log(), fleet.log_of("a0"), str(fleet.status()), str(fleet.events())]
    for process in fleet.family():
        texts += [" ".join(process.cmdline()), str(process.environ())]
    for text in texts:
        assert "cookie2" not in text
        assert "sim-0" not in text
        assert token not in text
