"""A full disk, torn state files, changed program files, a terminal that goes away: said aloud, and survived."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import xyfleet.supervisor
import xyfleet.worker
from support.fleet import Fleet, running, unb
from support.gateway import Gateway


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB, where this machine lets us make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a small file system here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_disk(path: Path) -> None:
    """Write until there is no space left, and raise what the system says then."""
    with path.open("wb", buffering=0) as file:
        while file.write(bytes(65536)):
            continue


def test_full_disk_stops_no_connection_and_is_named(tmp_path: Path, gateway: Gateway, small_disk: Path) -> None:
    """Connections live on, status says why nothing is saved, no good file is lost, and it recovers by itself."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    fleet.config["fleet"]["state_dir"] = str(small_disk / "state")
    with running(fleet):
        fleet.wait_connected()
        kept = {p.name: p.read_bytes() for p in (small_disk / "state" / "users").glob("*.json")}
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space"):
            fill_disk(filler)
        fleet.client.post("/v1/login", {"name": "a0", "cookie": f"unb={unb(0)}; cookie2=sim-full"})
        fleet.until(lambda: "space" in str(fleet.status()["fleet"]["notes"]), "status says so")
        fleet.until(fleet.connected, "connected all the same")
        assert {p.name: p.read_bytes() for p in (small_disk / "state" / "users").glob("*.json")} == kept
        filler.unlink()
        fleet.until(lambda: not fleet.status()["fleet"]["notes"], "it recovers")
        saved = json.loads((small_disk / "state" / "users" / f"{unb(0)}.json").read_text())
        assert "sim-full" in saved["cookie"]


def test_torn_state_file_falls_back_and_says_so(tmp_path: Path, gateway: Gateway) -> None:
    """An emptied file costs nothing but a note: the version before it is used."""
    with running(Fleet(tmp_path, gateway.endpoint, gateway.token_url)) as fleet:
        fleet.wait_connected()
        calls = gateway.stats()["token_calls"]
        fleet.client.post("/v1/accounts/stop", {"names": ["a1"]})
        fleet.stop()
        users = tmp_path / "state" / "users"
        assert (users / f"{unb(0)}.json.bak").exists()
        (users / f"{unb(0)}.json").write_bytes(b"")
        (tmp_path / "state" / "fleet.json").write_bytes(b'{"schema": 2, "sto')
        fleet.start()
        fleet.until(lambda: fleet.connected("a0", "a2"), "connected")
        notes = fleet.status()["fleet"]["notes"]
        assert any(f"{unb(0)}.json" in note for note in notes)
        assert any("fleet.json" in note for note in notes)
        assert gateway.stats(unb(2))["tokens_issued"] == 1
        assert gateway.stats()["token_calls"] <= calls + 2


def test_newer_state_is_refused_unharmed(tmp_path: Path, gateway: Gateway) -> None:
    """A file of a newer version is not touched, and the start is refused."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    users = tmp_path / "state" / "users"
    users.mkdir(parents=True)
    newer = b'{"schema": 99, "cookie": "x"}'
    (users / f"{unb(0)}.json").write_bytes(newer)
    fleet.start(wait=False)
    assert fleet.process is not None
    assert fleet.process.wait(20) == 1
    assert "newer" in fleet.console()
    assert (users / f"{unb(0)}.json").read_bytes() == newer


def test_changed_program_files_start_no_new_worker(tmp_path: Path, gateway: Gateway) -> None:
    """An update under a live fleet: workers of the new program are refused, and one line says so."""
    program = tmp_path / "program" / "xyfleet"
    for package in (xyfleet.worker, xyfleet.supervisor):
        source = Path(package.__path__[0])
        shutil.copytree(source, program / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    fleet.env["PYTHONPATH"] = str(program.parent)
    with running(fleet):
        fleet.wait_connected()
        changed = program / "worker" / "connection" / "heartbeat.py"
        changed.write_text(changed.read_text() + "\n# a newer version\n")
        fleet.forkserver().kill()
        fleet.until(lambda: fleet.status()["fleet"]["notes"], "it is said")
        assert "changed" in fleet.status()["fleet"]["notes"][0]
        fleet.until(lambda: fleet.status()["fleet"]["states"] == {"DISCONNECTED": 3}, "no worker of the new program")


def test_terminal_that_goes_away_leaves_the_fleet_running(tmp_path: Path, gateway: Gateway) -> None:
    """The fleet goes on detached and says so."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    fleet.write()
    (tmp_path / "console.txt").touch()
    ours, theirs = pty.openpty()
    fleet.process = subprocess.Popen(
        [sys.executable, "-m", "xyfleet.supervisor", "--file", str(fleet.file)],
        env=fleet.env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    try:
        fleet.until(fleet.answers, "the API answers")
        fleet.wait_connected()
        pids = {name: seen["pid"] for name, seen in fleet.accounts().items()}
        os.close(ours)
        fleet.until(lambda: fleet.status()["fleet"]["detached"], "detached")
        assert "terminal" in fleet.status()["fleet"]["notes"][0]
        assert {name: seen["pid"] for name, seen in fleet.accounts().items()} == pids
        assert fleet.connected()
        assert psutil.Process(fleet.process.pid).is_running()
    finally:
        fleet.close()


def _take_terminal() -> None:
    """Make standard input the controlling terminal, so that its end is a SIGHUP."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
