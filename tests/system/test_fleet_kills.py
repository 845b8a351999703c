"""Whatever is killed, stopped or blocked at whatever moment: everybody comes back, and never twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.fleet import Fleet, all_gone, running, unb
from support.gateway import Gateway


@contextmanager
def four(folder: Path, gateway: Gateway) -> Iterator[Fleet]:
    """Run four accounts that are CONNECTED."""
    with running(Fleet(folder, gateway.endpoint, gateway.token_url, accounts=4)) as found:
        found.wait_connected()
        yield found


def never_two(gateway: Gateway) -> bool:
    """Whether no account ever had two live sockets."""
    figures = [gateway.stats(unb(index)) for index in range(4)]
    return all((each["overlaps"], each["max_live"]) == (0, 1) for each in figures)


@pytest.fixture
def fleet(tmp_path: Path, gateway: Gateway) -> Iterator[Fleet]:
    """A fleet for a test that ends more than workers; whatever it does, no account ever had two live sockets."""
    with four(tmp_path, gateway) as found:
        yield found
        assert never_two(gateway)


@pytest.fixture(scope="module")
def own_gateway() -> Iterator[Gateway]:
    """A gateway that nobody resets while the shared fleet is on it."""
    with Gateway() as found:
        yield found


@pytest.fixture(scope="module")
def _shared_fleet(tmp_path_factory: pytest.TempPathFactory, own_gateway: Gateway) -> Iterator[Fleet]:
    with four(tmp_path_factory.mktemp("fleet"), own_gateway) as found:
        yield found


@pytest.fixture
def shared_fleet(_shared_fleet: Fleet, own_gateway: Gateway) -> Iterator[Fleet]:
    """The same for tests that end workers only: they share one, and each is told its own events."""
    _shared_fleet.wait_connected()
    _shared_fleet.forget_events()
    yield _shared_fleet
    assert never_two(own_gateway)


def pids(fleet: Fleet) -> dict[str, int]:
    """Return the workers' pids."""
    return {name: seen["pid"] for name, seen in fleet.accounts().items()}


@pytest.mark.pythons
def test_killed_worker_is_replaced_and_only_it(shared_fleet: Fleet) -> None:
    """The others keep their processes; the end is on record with its signal."""
    fleet = shared_fleet
    for name, number in (("a1", signal.SIGKILL), ("a2", signal.SIGSEGV), ("a3", signal.SIGABRT)):
        restarts = fleet.accounts()[name]["restarts"]
        kill_one(fleet, name, number)
        assert fleet.accounts()[name]["restarts"] == restarts + 1
        (event,) = fleet.events("restart", name)
        assert event["why"] == "exit"
        assert number.name in event["reason"]


def kill_one(fleet: Fleet, name: str, number: signal.Signals) -> None:
    """End a worker by a signal, and see it replaced, and only it."""
    before = pids(fleet)
    os.kill(before[name], number)
    fleet.until(lambda: pids(fleet)[name] not in (None, before[name]) and fleet.connected(), f"{name} is back")
    after = pids(fleet)
    assert {n: p for n, p in after.items() if n != name} == {n: p for n, p in before.items() if n != name}


def test_polite_end_that_nobody_asked_for_is_an_end_too(shared_fleet: Fleet) -> None:
    """SIGTERM to a worker makes it leave politely; it is started again all the same."""
    fleet = shared_fleet
    before = pids(fleet)
    os.kill(before["a2"], signal.SIGTERM)
    fleet.until(lambda: pids(fleet)["a2"] not in (None, before["a2"]) and fleet.connected(), "a2 is back")


def test_stopped_worker_is_hung(shared_fleet: Fleet) -> None:
    """SIGSTOP: no sign of life for hang_timeout, then it is killed and replaced."""
    fleet = shared_fleet
    before = pids(fleet)
    os.kill(before["a0"], signal.SIGSTOP)
    fleet.until(lambda: pids(fleet)["a0"] not in (None, before["a0"]) and fleet.connected(), "a0 is back")
    (event,) = fleet.events("restart", "a0")
    assert event["why"] == "hang"


def test_blocked_loop_is_hung_and_leaves_its_stack(fleet: Fleet, gateway: Gateway) -> None:
    """A worker whose loop stands still (its handler's C code keeps the interpreter) is killed; its stack says where."""
    (fleet.folder / "stuck.py").write_text(
        "import ctypes\n\nasync def answer(message, account):\n    ctypes.PyDLL(None).sleep(60)\n"
    )
    fleet.config["accounts"][3]["handler"] = "stuck:answer"
    fleet.write()
    before = fleet.pids()
    assert fleet.client.post("/v1/reload")["restarted"] == ["a3"]
    fleet.until(lambda: fleet.pids()["a3"] not in (None, before["a3"]) and fleet.connected("a3"), "a3 has its handler")
    gateway.push(unb(3), "hello")
    fleet.until(lambda: any(e["why"] == "hang" for e in fleet.events("restart", "a3")), "a3 is found hung")
    fleet.until(lambda: fleet.connected("a3"), "a3 is back")
    stack = (fleet.folder / "state" / "logs" / "a3.stack.log").read_text()
    assert "most recent call first" in stack
    assert "stuck.py" in stack
    assert fleet.connected()


@pytest.mark.pythons
def test_forkserver_killed(fleet: Fleet) -> None:
    """All workers end with it and come back; the end is not counted against the accounts."""
    before = pids(fleet)
    fleet.forkserver().kill()
    fleet.until(lambda: fleet.replaced(before), "all are back")
    assert all(e["why"] == "forkserver" for e in fleet.events("restart"))
    os.kill(pids(fleet)["a0"], signal.SIGKILL)
    fleet.until(lambda: len(fleet.events("restart", "a0")) == 2 and fleet.connected(), "a0 is back")
    assert fleet.events("restart", "a0")[-1]["to"] == "starting"


@pytest.mark.pythons
def test_forkserver_is_shielded(shared_fleet: Fleet) -> None:
    """The signals of a closed terminal or of systemd do not touch it."""
    fleet = shared_fleet
    before = pids(fleet)
    forkserver = fleet.forkserver()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        forkserver.send_signal(number)
        time.sleep(0.3)
        assert forkserver.is_running()
    assert pids(fleet) == before
    assert fleet.connected()


@pytest.mark.pythons
def test_supervisor_killed_takes_everything_along(fleet: Fleet, gateway: Gateway) -> None:
    """SIGKILL of the supervisor: no orphan; a new supervisor connects everybody again."""
    family = fleet.family()
    assert len(family) >= 5
    fleet.kill()
    assert all_gone(family)
    gateway.until(lambda: gateway.stats()["live"] == 0, "the gateway sees no socket")
    fleet.start()
    fleet.wait_connected()


def test_supervisor_frozen_for_a_while_kills_nobody_afterwards(shared_fleet: Fleet, own_gateway: Gateway) -> None:
    """Stopped for longer than hang_timeout: beats go on meanwhile, and nobody is killed for the silence."""
    fleet, gateway = shared_fleet, own_gateway
    assert fleet.process is not None
    before = pids(fleet)
    fleet.process.send_signal(signal.SIGSTOP)
    try:
        beats = gateway.stats(unb(0))["beats"]
        time.sleep(2.5)
        assert gateway.stats(unb(0))["beats"] >= beats + 5
    finally:
        fleet.process.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    assert pids(fleet) == before
    assert fleet.connected()
    assert not fleet.events("restart")


@pytest.mark.long
def test_frozen_supervisor_stops_no_heartbeat_and_kills_nobody_afterwards(fleet: Fleet, gateway: Gateway) -> None:
    """
    Stopped for five times hang_timeout: beats go on meanwhile, and nobody is killed for the silence.

    The tickets fail open: a worker that drops, gets no answer for 10 s and has a token in hand dials by itself.
    """
    assert fleet.process is not None
    before = pids(fleet)
    fleet.process.send_signal(signal.SIGSTOP)
    try:
        gateway.drop(unb(1))
        beats, dials = gateway.stats(unb(0))["beats"], gateway.stats(unb(1))["dials"]
        began = time.monotonic()
        gateway.until(lambda: gateway.stats(unb(1))["live"] == 1, "a1 is back by itself", timeout=20)
        assert time.monotonic() - began > 9.0
        assert gateway.stats(unb(1))["dials"] == dials + 1
        assert gateway.stats(unb(0))["beats"] >= beats + 30
    finally:
        fleet.process.send_signal(signal.SIGCONT)
    fleet.wait_connected()
    time.sleep(3.0)
    assert pids(fleet) == before
    assert fleet.connected()
    assert not fleet.events("restart")


@pytest.mark.pythons
def test_resource_tracker_killed(shared_fleet: Fleet) -> None:
    """Multiprocessing's helper process is not missed."""
    fleet = shared_fleet
    tracker = next(p for p in fleet.family() if "resource_tracker" in " ".join(p.cmdline()))
    tracker.kill()
    before = pids(fleet)
    os.kill(before["a0"], signal.SIGKILL)
    fleet.until(lambda: pids(fleet)["a0"] not in (None, before["a0"]) and fleet.connected(), "a0 is back")


def test_worker_that_dies_again_and_again_is_quarantined(fleet: Fleet) -> None:
    """Restarts get rarer, the quarantine is on record, and the others do not notice."""
    before = pids(fleet)
    deadline = time.monotonic() + 25
    while not fleet.events("quarantine", "a1") and time.monotonic() < deadline:
        pid = pids(fleet)["a1"]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    assert fleet.events("quarantine", "a1")
    fleet.client.post("/v1/accounts/restart", {"names": ["a1"]})
    fleet.until(lambda: fleet.connected("a1"), "an operator's restart lifts it")
    assert {n: p for n, p in pids(fleet).items() if n != "a1"} == {n: p for n, p in before.items() if n != "a1"}
