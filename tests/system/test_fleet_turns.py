"""A whole fleet in which turns are waited for: told in `status`, and paced anew by a reload."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.fleet import Fleet, running
from support.gateway import Gateway

COMMAND = [sys.executable, "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]


def xyfleet(fleet: Fleet, *words: str) -> str:
    """Run a command line; return what it prints."""
    done = subprocess.run([*COMMAND, *words], env=fleet.env, cwd=fleet.folder, capture_output=True, text=True)
    return done.stdout


def test_who_waits_for_a_turn_is_told_so(tmp_path: Path, gateway: Gateway) -> None:
    """`status` tells number and seconds of now, in the reader's language; `fleet_rate` is changed by reload."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=13)
    fleet.config["fleet"]["fleet_rate"] = {"dials": 0, "token_calls": 0.05}
    with running(fleet):
        fleet.until(lambda: fleet.status()["fleet"]["states"].get("CONNECTED") == 10, "the burst is connected")
        fleet.until(lambda: sum(each["waits"] is not None for each in fleet.status()["accounts"]) == 3, "three wait")
        waiting = [each for each in fleet.status()["accounts"] if each["state"] != "CONNECTED"]
        assert {each["process"] for each in waiting} == {"waiting"}
        assert sorted(each["waits"]["fields"]["turn"] for each in waiting) == [1, 2, 3]
        assert {each["waits"]["code"] for each in waiting} == {"wait_token"}
        assert "waits for turn 3 to call for a token, about " in xyfleet(fleet, "status")
        assert "排队等待取令牌，第 3 位" in xyfleet(fleet, "--lang", "zh", "status")
        fleet.config["fleet"]["fleet_rate"] = {"dials": 0, "token_calls": 0}
        fleet.write()
        xyfleet(fleet, "reload")
        fleet.wait_connected(5.0)
