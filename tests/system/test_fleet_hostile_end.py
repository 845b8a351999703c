"""SIGKILL comes after 4 s of politeness, and a fleet's end within 10 s, with everything hostile at once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from support.fleet import FAST, Fleet, all_gone, running, unb
from support.gateway import Gateway
from support.loginhook import calls_in, with_hook

HANGING = """
import ctypes

async def answer(message, account):
    open("{called}", "w").close()
    ctypes.PyDLL(None).sleep(60)  # with the GIL: nothing in this process goes on
"""
HOOK = """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sh", "-c", "trap '' TERM; setsid sleep 60 & sleep 60"])
time.sleep(60)
"""


@pytest.mark.long
def test_everything_hostile_at_once(tmp_path: Path, gateway: Gateway) -> None:
    """A handler that holds the GIL, a deaf hook, a stopped worker, forkserver and webhook process: all are gone."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=4)
    (tmp_path / "hanging.py").write_text(HANGING.format(called=tmp_path / "called"))
    fleet.config["accounts"][0]["handler"] = "hanging:answer"
    fleet.config["accounts"][1]["webhook"] = {"url": "http://127.0.0.1:9/"}
    fleet.config["fleet"]["hang_timeout"] = 60
    fleet.config["defaults"] = FAST
    calls = with_hook(fleet, HOOK, timeout=60)
    with running(fleet):
        fleet.wait_connected()
        fleet.client.post("/v1/accounts/refresh", {"names": ["a2"]})
        gateway.push(unb(0), "hello")
        fleet.until(lambda: calls_in(calls) and (tmp_path / "called").exists(), "hook and handler hang")
        family = fleet.family()
        webhooks = next(p for p in family if "xyfleet: webhooks" in p.cmdline()[0])
        stopped = fleet.pids()["a3"]
        assert stopped is not None
        for pid in (stopped, fleet.forkserver().pid, webhooks.pid):
            os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        assert fleet.stop(timeout=12) == 0
        took = time.monotonic() - began
        assert all_gone(family, within=0.5)
        assert 4.0 <= took < 10.0
        assert "end: state" in fleet.own_log().splitlines()[-1]
        assert "left alone" not in fleet.own_log()
