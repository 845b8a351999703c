"""The command line on a real fleet, as its owner types it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from support.fleet import Fleet, account, all_gone, unb
from support.gateway import Gateway

COMMAND = [sys.executable, "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]


@pytest.fixture
def fleet(tmp_path: Path, gateway: Gateway) -> Iterator[Fleet]:
    """A fleet's file, not started; whatever was started is stopped afterwards."""
    found = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    found.write()
    yield found
    xyfleet(found, "stop")


def xyfleet(fleet: Fleet, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command line."""
    return subprocess.run(
        [*COMMAND, *words], env=fleet.env, cwd=fleet.folder, input=stdin, capture_output=True, text=True, timeout=60
    )


def test_the_whole_way_from_start_to_stop(fleet: Fleet) -> None:
    """Start detached and wait, status, stop one, restart it, stop all: each with its exit code."""
    started = xyfleet(fleet, "start", "fleet.yml", "--detach", "--wait=30")
    assert started.returncode == 0, started.stderr
    shown = xyfleet(fleet, "status")
    assert shown.returncode == 0
    assert "a0" in shown.stdout
    assert "\x1b" not in shown.stdout
    pid = json.loads(xyfleet(fleet, "status", "--json").stdout)["fleet"]["pid"]
    assert xyfleet(fleet, "start", "fleet.yml", "--detach").returncode == 1
    assert xyfleet(fleet, "stop", "a0").returncode == 0
    assert json.loads(xyfleet(fleet, "status", "a0", "--json").stdout)["accounts"][0]["process"] == "stopped"
    assert xyfleet(fleet, "restart", "a0").returncode == 0
    fleet.until(fleet_connected(fleet), "a0 is back")
    assert xyfleet(fleet, "status", "nobody").returncode == 2
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert xyfleet(fleet, "stop").returncode == 0
    assert all_gone(family, within=1.0)
    assert xyfleet(fleet, "status").returncode == 7


def fleet_connected(fleet: Fleet) -> Callable[[], bool]:
    """Return a question whether all accounts are CONNECTED."""
    return lambda: xyfleet(fleet, "status", "--json").returncode == 0


def test_unconnected_accounts_are_exit_code_3(fleet: Fleet, gateway: Gateway) -> None:
    """--wait ends with 3 when its time is over, the fleet runs on, and status says 3 and gives advice."""
    gateway.fault(unb(1), kind="reg_401")
    assert xyfleet(fleet, "start", "fleet.yml", "--detach", "--wait=2").returncode == 3
    shown = xyfleet(fleet, "--lang", "zh", "status")
    assert shown.returncode == 3
    assert shown.stdout.index("a1") < shown.stdout.index("a0")
    assert xyfleet(fleet, "status", "--max-down", "50%").returncode == 0


def test_login_reads_a_cookie_from_a_pipe(fleet: Fleet) -> None:
    """A cookie of another user is refused, one of the same user is taken."""
    assert xyfleet(fleet, "start", "fleet.yml", "--detach", "--wait=30").returncode == 0
    wrong = xyfleet(fleet, "login", "a0", stdin=f"unb={unb(5)}; cookie2=sim-x\n")
    assert wrong.returncode != 0
    assert "sim-x" not in wrong.stderr
    assert xyfleet(fleet, "login", "a0", stdin=f"unb={unb(0)}; cookie2=sim-y\n").returncode == 0
    seen = json.loads(xyfleet(fleet, "status", "a0", "--json").stdout)["accounts"][0]
    assert seen["cookie_source"] == "login"


def test_reload_events_and_logs(fleet: Fleet) -> None:
    """reload says what it did; events and logs show it."""
    assert xyfleet(fleet, "start", "fleet.yml", "--detach", "--wait=30").returncode == 0
    fleet.config["accounts"].append(account(4))
    fleet.write()
    done = xyfleet(fleet, "reload")
    assert done.returncode == 0
    assert "a4" in done.stdout
    kinds = {json.loads(line)["kind"] for line in xyfleet(fleet, "events", "--json").stdout.splitlines()}
    assert {"state", "reload"} <= kinds
    assert "心跳包已发送" in xyfleet(fleet, "logs", "--beats", "a0").stdout


def test_bad_file_is_named_and_nothing_starts(fleet: Fleet) -> None:
    """Two accounts of one user: exit code 2, both lines named, no process, no state folder."""
    fleet.config["accounts"].append({"name": "twin", "cookie": f"unb={unb(0)}; cookie2=sim-z"})
    fleet.write()
    refused = xyfleet(fleet, "start", "fleet.yml", "--detach")
    assert refused.returncode == 2
    assert "twin" in refused.stderr
    assert "a0" in refused.stderr
    assert "sim-z" not in refused.stderr
    assert not (fleet.folder / "state").exists()
    assert xyfleet(fleet, "check", "fleet.yml").returncode == 2


def test_too_few_open_files_are_refused_with_the_number(fleet: Fleet) -> None:
    """A hard limit below the need is named before anything starts."""
    line = " ".join(f'"{word}"' if " " not in word else f"'{word}'" for word in [*COMMAND, "start", "fleet.yml"])
    refused = subprocess.run(
        ["sh", "-c", f"ulimit -n 64; exec {line} --detach"],
        env=fleet.env,
        cwd=fleet.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "64" in refused.stderr


def test_wait_names_who_waits_for_a_person(fleet: Fleet, gateway: Gateway) -> None:
    """--wait ends at once with 3 when all but those are connected for whom only a person can do something."""
    gateway.fault(unb(1), kind="session_expired", logins=True)
    began = time.monotonic()
    started = xyfleet(fleet, "start", "fleet.yml", "--wait")
    assert started.returncode == 3, started.stderr
    assert time.monotonic() - began < 20
    assert "connected 1 of 2" in started.stdout
    assert "a1: The login has expired." in started.stderr
