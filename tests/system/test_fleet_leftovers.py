"""What a handler or a login hook starts does not outlive it, whatever it does to hide (attack B21, field S10, S15)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.fleet import FAST, Fleet, all_gone, running, unb
from support.gateway import Gateway
from support.loginhook import calls_in, with_hook

HANDLER = """
import os, subprocess

def daemon(session):
    # As daemons are made: a child that ends at once, and its child, with or without a session of its own.
    pid = os.fork()
    if not pid:
        if session:
            os.setsid()
        if not os.fork():
            os.execvp("sleep", ["sleep", "{mark}"])
        os._exit(0)
    os.waitpid(pid, 0)

async def answer(message, account):
    subprocess.Popen(["sleep", "{mark}"])
    subprocess.Popen(["sh", "-c", "trap '' TERM HUP; setsid sh -c 'sleep {mark} & wait' & wait"], env={{}})
    daemon(False)
    daemon(True)

async def leave(message, account):
    daemon(False)
    daemon(True)
    subprocess.Popen(["sleep", "{mark}"])
    open(f"{{os.path.dirname(__file__)}}/called{{message.text[-1]}}", "w").close()
"""
MOST = 6
"""Processes of one call: three `sleep`, the shell, its child, and that one's `sleep`."""


def found(mark: str) -> list[psutil.Process]:
    """Return the processes that have this in their command."""
    return [p for p in psutil.process_iter(["cmdline"]) if mark in " ".join(p.info["cmdline"] or [])]


def zombies(fleet: Fleet) -> list[int]:
    """Return the pids of the zombies below the supervisor."""
    return [pid for pid, status in ((p.pid, _status(p)) for p in fleet.family()) if status == psutil.STATUS_ZOMBIE]


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return psutil.STATUS_DEAD


@pytest.fixture
def mark() -> Iterator[str]:
    """Give a number of seconds that nobody else sleeps."""
    number = f"7777.{os.getpid()}{time.monotonic_ns() % 10**6}"
    yield number
    for process in found(number):
        process.kill()


def household(folder: Path, gateway: Gateway, mark: str, accounts: int = 2) -> Fleet:
    """Return a fleet whose handlers leave processes."""
    (folder / "leaving.py").write_text(HANDLER.format(mark=mark))
    fleet = Fleet(folder, gateway.endpoint, gateway.token_url, accounts)
    fleet.config["defaults"] = {**FAST, "handler": "leaving:answer"}
    return fleet


def call(fleet: Fleet, gateway: Gateway, mark: str) -> None:
    """Have each account's handler called, and wait for what it starts."""
    fleet.wait_connected()
    before = len(found(mark))
    for index in range(len(fleet.config["accounts"])):
        gateway.push(unb(index), "hello")
    many = before + MOST * len(fleet.config["accounts"])
    fleet.until(lambda: len(found(mark)) == many, f"{many} processes")


@pytest.mark.pythons
def test_nothing_of_a_worker_outlives_it(tmp_path: Path, gateway: Gateway, mark: str) -> None:
    """S15: after `restart NAME`, the worker's SIGKILL, `stop NAME` and the fleet's end nothing is left, no zombie."""
    fleet = household(tmp_path, gateway, mark)
    with running(fleet):
        call(fleet, gateway, mark)
        fleet.client.post("/v1/accounts/restart", {"names": ["a0"]})
        fleet.until(lambda: len(found(mark)) == MOST, "those of a0 are gone")
        fleet.wait_connected()
        pid = fleet.pids()["a1"]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        fleet.until(lambda: not found(mark), "those of a1 are gone")
        call(fleet, gateway, mark)
        fleet.client.post("/v1/accounts/stop", {"names": ["a0"]})
        fleet.until(lambda: len(found(mark)) == MOST, "those of a0 are gone again")
        fleet.until(lambda: not zombies(fleet), "no zombie")
        assert fleet.stop() == 0
        assert not found(mark)


@pytest.mark.parametrize("stopped", [False, True], ids=["", "forkserver stopped"])
def test_nothing_outlives_a_killed_supervisor(tmp_path: Path, gateway: Gateway, mark: str, stopped: bool) -> None:
    """S15: SIGKILL of the supervisor ends workers, and what they started, even if the forkserver was stopped."""
    fleet = household(tmp_path, gateway, mark)
    with running(fleet):
        call(fleet, gateway, mark)
        family = fleet.family()
        if stopped:
            forkserver = fleet.forkserver()
            forkserver.send_signal(signal.SIGSTOP)
            fleet.until(lambda: forkserver.status() == psutil.STATUS_STOPPED, "it stands")
        fleet.kill()
        assert all_gone(family)
        assert not found(mark)


def test_nothing_outlives_a_killed_forkserver(tmp_path: Path, gateway: Gateway, mark: str) -> None:
    """S15: its workers end with it, what they started too, and no zombie stays."""
    fleet = household(tmp_path, gateway, mark)
    with running(fleet):
        call(fleet, gateway, mark)
        fleet.forkserver().kill()
        fleet.until(lambda: not found(mark), "nothing is left")
        fleet.wait_connected()
        fleet.until(lambda: not zombies(fleet), "no zombie")


def test_the_next_fleet_ends_what_nobody_could(tmp_path: Path, gateway: Gateway, mark: str) -> None:
    """Forkserver and supervisor are killed within a moment: what a handler started goes when the fleet is back."""
    fleet = household(tmp_path, gateway, mark, accounts=1)
    fleet.config["defaults"]["handler"] = "leaving:leave"
    with running(fleet):
        fleet.wait_connected()
        gateway.push(unb(0), "hello 0")
        fleet.until(lambda: len(found(mark)) == 3, "the handler was called")
        forkserver = fleet.forkserver()
        assert fleet.process is not None
        fleet.process.send_signal(signal.SIGSTOP)
        forkserver.kill()
        fleet.until(lambda: forkserver.status() == psutil.STATUS_ZOMBIE, "it has ended")
        fleet.kill()
        left = len(found(mark))
        fleet.start()
        fleet.until(lambda: not found(mark), "nothing is left")

    assert left == 3


def test_a_handler_that_kills_its_group_kills_itself(tmp_path: Path, gateway: Gateway) -> None:
    """B21's kind: `kill(0, 9)` in a handler's process ends that worker, and neither others nor the forkserver."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    (tmp_path / "killing.py").write_text("import os\n\nasync def answer(message, account):\n    os.kill(0, 9)\n")
    fleet.config["accounts"][0]["handler"] = "killing:answer"
    with running(fleet):
        fleet.wait_connected()
        before = fleet.pids()
        gateway.push(unb(0), "hello")
        fleet.until(lambda: fleet.pids()["a0"] not in (None, before["a0"]), "a0 has another worker")
        assert fleet.pids()["a1"] == before["a1"]


@pytest.mark.parametrize("to", ["the guard", "the group"])
def test_a_hook_that_kills_its_guard_leaves_nothing(tmp_path: Path, gateway: Gateway, mark: str, to: str) -> None:
    """B21: a daemon in a session of its own, then SIGKILL to its guard, or to the whole group: it ends too."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    victim = "os.getppid()" if to == "the guard" else "0"
    calls = with_hook(fleet, f"os.system('setsid sleep {mark} & setsid sleep {mark} &'); os.kill({victim}, 9)")
    with running(fleet):
        fleet.wait_connected()
        fleet.client.post("/v1/accounts/refresh", {"names": ["a0"]})
        fleet.until(lambda: calls_in(calls), "the hook is called")
        fleet.until(lambda: fleet.events("refresh", "a0")[-1]["to"] == "failed", "the hook has ended")
        fleet.until(lambda: not found(mark), "nothing is left")
        assert fleet.connected()


INIT = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def titled(fleet: Fleet, title: str) -> psutil.Process:
    """Return the fleet's process with this title; others may end while they are looked at."""
    for process in fleet.family():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] == [title]:
                return process
    raise AssertionError(f"no process is {title}")


def test_as_init_no_zombie_stays(tmp_path: Path, gateway: Gateway, mark: str) -> None:
    """S10: as PID 1 of a container it reaps everything, and ends nothing that came from outside the fleet."""
    if subprocess.run([*INIT, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no PID namespace can be made here")
    fleet = household(tmp_path, gateway, "0.1", accounts=1)
    fleet.config["defaults"]["handler"] = "leaving:leave"
    fleet.write()
    words = [*INIT, sys.executable, "-P", "-m", "xyfleet.supervisor", "--file", str(fleet.file)]
    fleet.process = subprocess.Popen(words, env=fleet.env, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        fleet.until(fleet.answers, "the API answers")
        fleet.wait_connected()
        (init,) = psutil.Process(fleet.process.pid).children()
        for number in range(4):
            gateway.push(unb(0), f"hello {number}")
        enter = ["nsenter", f"--target={init.pid}", "--pid", "sh", "-c"]
        subprocess.run([*enter, f"sleep 0.1 & sleep {mark} &"], check=True, env={"PATH": os.environ["PATH"]})
        (stranger,) = [p for p in found(mark) if p.ppid() == init.pid]
        fleet.until(lambda: len(list(tmp_path.glob("called*"))) == 4, "the handler was called 4 times")
        fleet.until(lambda: not zombies(fleet), "no zombie")
        titled(fleet, "xyfleet: a0").kill()
        fleet.until(lambda: fleet.events("restart", "a0"), "a0 is started again")
        fleet.wait_connected()
        assert stranger.is_running()
        init.send_signal(signal.SIGTERM)
        assert fleet.process.wait(10) == 0
        assert not found(mark)
    finally:
        fleet.process.kill()
        fleet.process.wait()
