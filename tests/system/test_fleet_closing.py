"""A fleet's end, whatever is under way or broken when it is asked for."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from support.fleet import Fleet, running
from support.gateway import Gateway
from xyfleet.supervisor.api.client import ClientError


def test_a_step_of_the_end_that_fails_skips_nothing(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 10: somebody put a folder in place of the control socket; the end says so, goes on, and saves."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    with running(fleet):
        fleet.wait_connected()
        (fleet.run_dir / "control.sock").unlink()
        (fleet.run_dir / "control.sock").mkdir()
        assert fleet.stop() == 0
    said = fleet.own_log()
    assert "fault in control socket" in said
    assert said.index("end: workers") < said.index("end: control socket") < said.index("end: forkservers")
    assert "end: state" in said.splitlines()[-1]
    (fleet.run_dir / "control.sock").rmdir()


def test_a_reload_under_way_ends_first(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 10: a reload waits for a worker that hangs; it is refused, and a second SIGTERM ends all at once."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=3)
    with running(fleet):
        fleet.wait_connected()
        pid = fleet.pids()["a1"]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        del fleet.config["accounts"][1]
        fleet.write()
        refused: list[str] = []
        asking = threading.Thread(target=lambda: refused.append(reload(fleet)))
        asking.start()
        fleet.until(lambda: fleet.accounts()["a1"]["process"] != "RUNNING", "a1 is being removed")
        assert fleet.process is not None
        began = time.monotonic()
        fleet.process.send_signal(signal.SIGTERM)
        fleet.until(lambda: "end: changes of accounts" in fleet.own_log(), "the reload has ended")
        fleet.process.send_signal(signal.SIGTERM)
        assert fleet.process.wait(10) == 0
        assert time.monotonic() - began < 3.0
        asking.join(10)
    assert refused == ["stopping"]
    assert "Traceback" not in fleet.own_log() + fleet.console()
    assert "end: state" in fleet.own_log().splitlines()[-1]


def reload(fleet: Fleet) -> str:
    """Ask for a reload; return the code of its refusal."""
    try:
        fleet.client.post("/v1/reload", {})
    except ClientError as refusal:
        return str(getattr(refusal, "code", refusal))
    return "done"
