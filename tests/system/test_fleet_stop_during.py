"""`stop` comes at the worst moment: the fleet ends well within 10 s, saves, and leaves no process."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from support.fleet import Fleet, account, all_gone, running, unb
from support.gateway import Gateway
from support.loginhook import calls_in, expire_login, with_hook
from xyfleet.supervisor.api.client import ClientError

WITHIN = 10.0
"""Seconds of a fleet's end, promised to whoever runs it."""
Moment = Callable[[Fleet, Gateway], AbstractContextManager[object]]


@contextmanager
def first_start(fleet: Fleet, gateway: Gateway) -> Iterator[None]:
    """The API does not answer yet."""
    fleet.start(wait=False)
    fleet.until(fleet.own_log, "it has begun")
    yield


@contextmanager
def start_of_many(fleet: Fleet, gateway: Gateway) -> Iterator[None]:
    """Workers are being started, one after the other."""
    fleet.config["accounts"] = [account(index) for index in range(40)]
    fleet.start()
    fleet.until(lambda: sum(pid is not None for pid in fleet.pids().values()) >= 2, "some are started")
    yield


@contextmanager
def start_that_hangs(fleet: Fleet, gateway: Gateway) -> Iterator[None]:
    """A worker's start was asked for, and the forkserver stands still."""
    connected(fleet)
    forkserver = fleet.forkserver()
    os.kill(forkserver.pid, signal.SIGSTOP)
    os.kill(fleet.pids()["a0"] or 0, signal.SIGKILL)
    fleet.until(lambda: fleet.accounts()["a0"]["pid"] is None, "a0 is to be started again")
    yield
    with contextlib.suppress(psutil.NoSuchProcess):
        forkserver.resume()


@contextmanager
def reload_that_waits(fleet: Fleet, gateway: Gateway) -> Iterator[None]:
    """A reload waits for a worker that hangs, and adds others."""
    connected(fleet)
    os.kill(fleet.pids()["a2"] or 0, signal.SIGSTOP)
    fleet.config["accounts"][2:] = [account(index) for index in range(3, 9)]
    fleet.write()
    asking = threading.Thread(target=reload, args=(fleet,))
    asking.start()
    fleet.until(lambda: fleet.accounts().get("a2", {}).get("process") == "stopping", "a2 is on its way out")
    yield
    asking.join(10)


@contextmanager
def hook_that_runs(fleet: Fleet, gateway: Gateway) -> Iterator[None]:
    """A login takes its time, in a program that does not want to end."""
    calls = with_hook(fleet, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", timeout=60)
    connected(fleet)
    expire_login(gateway, unb(0))
    fleet.until(lambda: calls_in(calls), "the hook runs")
    yield


@contextmanager
def token_call_that_hangs(fleet: Fleet, gateway: Gateway) -> Iterator[None]:
    """Every account waits for the answer of its token call."""
    connected(fleet)
    gateway.fault(kind="token_slow", seconds=30)
    gateway.fault(kind="reg_401", once=True)
    gateway.drop()
    fleet.until(lambda: not any(fleet.connected(name) for name in ("a0", "a1", "a2")), "all want new tokens")
    yield


@contextmanager
def death_of_the_forkserver(fleet: Fleet, gateway: Gateway) -> Iterator[None]:
    """It was killed a moment ago, and its workers with it."""
    connected(fleet)
    fleet.forkserver().kill()
    yield


@contextmanager
def worker_that_hangs(fleet: Fleet, gateway: Gateway) -> Iterator[None]:
    """One account is being stopped, and its worker does not hear."""
    connected(fleet)
    os.kill(fleet.pids()["a1"] or 0, signal.SIGSTOP)
    stopping = threading.Thread(target=stop_one, args=(fleet,))
    stopping.start()
    fleet.until(lambda: fleet.accounts()["a1"]["process"] == "stopping", "a1 is on its way out")
    yield
    stopping.join(10)


def connected(fleet: Fleet) -> None:
    """Start, and have everybody connected."""
    fleet.start()
    fleet.wait_connected()


def reload(fleet: Fleet) -> None:
    """Reload; the fleet may refuse, or be gone."""
    with contextlib.suppress(ClientError):
        fleet.client.post("/v1/reload", {"yes": True})


def stop_one(fleet: Fleet) -> None:
    """Stop a1; the fleet may be gone before it answers."""
    with contextlib.suppress(ClientError):
        fleet.client.post("/v1/accounts/stop", {"names": ["a1"]})


MOMENTS: tuple[Moment, ...] = (
    first_start,
    start_of_many,
    start_that_hangs,
    hook_that_runs,
    token_call_that_hangs,
    death_of_the_forkserver,
)
LONG_MOMENTS: tuple[Moment, ...] = (reload_that_waits, worker_that_hangs)
"""Each waits for the SIGKILL of a worker that hangs."""


@pytest.mark.parametrize(
    "moment",
    [*MOMENTS, *(pytest.param(moment, marks=pytest.mark.long) for moment in LONG_MOMENTS)],
    ids=lambda moment: moment.__name__,
)
def test_stop_during(moment: Moment, tmp_path: Path, gateway: Gateway) -> None:
    """Exit 0 within 10 s, no process left, no fault in the log, the state saved last."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    with contextlib.closing(fleet), moment(fleet, gateway):
        family = fleet.family()
        began = time.monotonic()
        assert fleet.stop(WITHIN + 5) == 0
        assert time.monotonic() - began < WITHIN
        assert all_gone(family)
    said = fleet.own_log()
    assert "Traceback" not in said + fleet.console()
    assert not said or "end: state" in said.splitlines()[-1]


@pytest.mark.long
def test_stop_during_a_preload_of_eight_seconds(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 5: a cold disk slows the forkserver to 8 s; the API answers meanwhile, all connect once it is there."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(
        "import os, time\nif 'XYFLEET_FORKSERVER' in os.environ:\n    time.sleep(8)\n"
    )
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    fleet.env["PYTHONPATH"] = str(tmp_path / "slow")
    with running(fleet):
        assert not fleet.connected()
        fleet.wait_connected(30)
        assert not fleet.events("restart")
        fleet.client.post("/v1/stop", {})
        assert fleet.process is not None
        assert fleet.process.wait(WITHIN) == 0
    with running(fleet):
        assert not fleet.connected()
        assert fleet.stop(WITHIN) == 0
