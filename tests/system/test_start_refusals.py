"""What a start refuses, and how: at once, in a sentence, with nothing touched and nothing left running."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleet import Fleet, running
from support.gateway import Gateway

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture
def fleet(tmp_path: Path, fresh_gateway: Gateway) -> Fleet:
    """A fleet of one account that was never started, but whose folders are there."""
    found = Fleet(tmp_path, fresh_gateway.endpoint, fresh_gateway.token_url, accounts=1)
    for folder in (tmp_path / "state" / "users", tmp_path / "state" / "logs", found.run_dir):
        folder.mkdir(mode=0o700, parents=True)
    return found


def refused(fleet: Fleet, code: int = 1) -> str:
    """Start a fleet; return the one sentence with which it ended."""
    fleet.start(wait=False)
    assert fleet.process is not None
    try:
        assert fleet.process.wait(15) == code, fleet.console()
    finally:
        fleet.close()
    (line,) = fleet.console().splitlines()
    assert line.startswith("xyfleet: ") or code == 2
    return line.removeprefix("xyfleet: ").replace(f"{fleet.folder}/", "")


NOT_PLAIN = "it is not a plain file (a folder, a pipe or a device)"
PLACES = {
    "users/2200000000001.json": "cannot use state/users/2200000000001.json: {why}",
    "fleet.json": "cannot use state/fleet.json: {why}",
    "accounts/a0.json": "cannot use state/accounts/a0.json: {why}",
    "desired.json": "cannot use state/desired.json: {why}",
    "http-token": "the token of the HTTP API can't be had: state/http-token: {why}",
    "lock": "cannot use state/lock: {why}",
    "logs/supervisor.log": "cannot use state/logs/supervisor.log: {why}",
}
"""Files that a start needs, by their path in the state folder, and what is said of one that is none."""


@pytest.mark.parametrize("place", PLACES)
def test_a_pipe_is_no_file(fleet: Fleet, place: str) -> None:
    """B23: a FIFO in the place of a file hangs nothing."""
    fleet.config["fleet"]["http"] = "127.0.0.1:0"
    path = fleet.folder / "state" / place
    path.parent.mkdir(mode=0o700, exist_ok=True)
    os.mkfifo(path, 0o600)

    assert refused(fleet) == PLACES[place].format(why=NOT_PLAIN)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.symlink_to("lock"), "it is a symbolic link"),
        (lambda path: path.symlink_to("../precious"), "it is a symbolic link"),
        (lambda path: (path.touch(), path.chmod(0o666)), "other users may write to it"),
    ],
)
def test_a_lock_that_is_none(fleet: Fleet, make: Callable[[Path], object], why: str) -> None:
    """B6, B22: a folder, a loop, or a link, whose file would have been emptied, end in a sentence."""
    (fleet.folder / "precious").write_text("precious")
    make(fleet.folder / "state" / "lock")

    assert refused(fleet) == f"cannot use state/lock: {why}"
    assert (fleet.folder / "precious").read_text() == "precious"


@as_root
def test_what_is_another_users(fleet: Fleet) -> None:
    """B6, B22: neither a file nor a folder of somebody else is taken."""
    token = fleet.folder / "state" / "http-token"
    token.write_text("t" * 44)
    token.chmod(0o644)
    fleet.config["fleet"]["http"] = "127.0.0.1:0"
    said = {token: "the token of the HTTP API can't be had: state/http-token: it belongs to another user"}
    said |= {each: f"{each.relative_to(fleet.folder)} belongs to" for each in (token.parent, fleet.run_dir)}
    for path, words in said.items():
        os.chown(path, 4102, 4102)
        assert refused(fleet).startswith(words)
        os.chown(path, 0, 0)
        (fleet.folder / "console.txt").unlink()
    assert refused(fleet).startswith("state/http-token is the fleet's key, and every user of this machine can read it")


def test_a_folder_in_the_place_of_the_socket(fleet: Fleet) -> None:
    """B22: it is said which."""
    (fleet.run_dir / "control.sock").mkdir()

    assert refused(fleet) == "cannot use r/test/control.sock: Is a directory"


def test_a_fleet_goes_on_without_event_and_account_logs(fleet: Fleet) -> None:
    """B23: FIFOs in the place of the events' file and of an account's logs hang nothing; the fleet runs and says it."""
    for name in ("events.jsonl", "logs/a0.log", "logs/a0.stack.log", "logs/a0.hook.log"):
        os.mkfifo(fleet.folder / "state" / name, 0o600)
    with running(fleet):
        fleet.wait_connected()
        fleet.until(lambda: len(fleet.status()["fleet"]["notes"]) == 2, "both are said")  # a worker's comes in a report
        accounts, events = sorted(fleet.status()["fleet"]["notes"])
        assert accounts.endswith("the first one says: log not written: it is not a plain file")
        assert events == "events can't be written to disk: it is not a plain file"
        assert fleet.events("state", "a0")


@pytest.mark.parametrize("key", ["state_dir", "log"])
def test_a_folder_of_the_whole_machine(fleet: Fleet, key: str) -> None:
    """B14, finding 14: start and `check` refuse it, and it stays as it is."""
    before = os.stat("/var/log").st_mode
    fleet.config["fleet"][key] = {"dir": "/var/log"} if key == "log" else "/var/log"
    try:
        said = refused(fleet, code=2)
        after = os.stat("/var/log").st_mode
    finally:
        if os.stat("/var/log").st_mode != before:
            os.chmod("/var/log", before)  # should this ever fail, the machine stays as it was

    assert "/var/log is a folder of the whole machine; give xyfleet one of its own, such as /var/log/xyfleet" in said
    assert after == before
    words = [sys.executable, "-P", "-c", "from xyfleet.supervisor.cli.main import main; raise SystemExit(main())"]
    check = subprocess.run(
        [*words, "check", fleet.file], env=fleet.env, capture_output=True, text=True, timeout=20, check=False
    )
    assert check.returncode == 2
    assert "/var/log is a folder of the whole machine" in check.stderr


def test_a_shared_folder_of_a_running_fleet(fleet: Fleet) -> None:
    """Finding 14: a reload warns about it and goes on, the next start refuses it; nobody changes its mode."""
    state = fleet.folder / "state"
    state.chmod(0o755)
    with running(fleet):
        state.chmod(0o777)
        (warning,) = fleet.client.post("/v1/reload")["warnings"]
        assert f"other users may write to {state}" in warning
        assert fleet.stop() == 0
    assert state.stat().st_mode & 0o777 == 0o777
    (fleet.folder / "console.txt").unlink()

    assert "run: chmod go-w " in refused(fleet, code=2)
    state.chmod(0o755)


def test_a_sticky_run_folder_is_left_as_it_is(fleet: Fleet) -> None:
    """B14: what XYFLEET_RUN_DIR names is shared by fleets and others; each fleet has a private folder in it."""
    shared = fleet.folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    fleet.env["XYFLEET_RUN_DIR"] = str(shared)
    with running(fleet):
        assert shared.stat().st_mode & 0o7777 == 0o1777
        assert (shared / "test").stat().st_mode & 0o777 == 0o700


def test_a_run_folder_in_use_is_refused(fleet: Fleet) -> None:
    """B7: a socket in which somebody listens is not taken from him, and neither is the folder's lock."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(fleet.run_dir / "control.sock"))
        listener.listen()
        assert refused(fleet).startswith("another fleet is running in the run folder r/test; ")
    (fleet.folder / "console.txt").unlink()
    with (fleet.run_dir / "lock").open("w") as lock:
        (fleet.run_dir / "lock").chmod(0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refused(fleet).startswith("fleet test is running already")


def test_a_name_that_another_file_runs_under_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    """Two files called accounts.yml are one name: the refusal says which file runs, and what to do."""
    with running(fleet):
        second = Fleet(tmp_path / "second", "ws://127.0.0.1:9", "http://127.0.0.1:9", accounts=1)
        second.folder.mkdir()
        second.env["XDG_STATE_HOME"] = fleet.env["XDG_STATE_HOME"]
        told = refused(second)
    assert told.startswith("another fleet of the name test is running (pid ")
    assert f"that of {fleet.folder}/" in told
    assert "fleet: {name: …}" in told


def test_secrets_are_kept_before_any_file_is_read(fleet: Fleet) -> None:
    """B24: already while the accounts file is read, a crash leaves no core with what is in it."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        pytest.skip("no core files are possible here anyway")
    extra = [{"name": f"b{n}", "cookie": f"unb={n}", "proxy": "none"} for n in range(1, 3000)]
    fleet.config["accounts"] += [*extra, {"name": "bad name"}]
    fleet.start(wait=False)
    assert fleet.process is not None
    seen = set()
    while fleet.process.poll() is None:
        limits = Path(f"/proc/{fleet.process.pid}/limits").read_text()
        seen.add(next(line.split()[5] for line in limits.splitlines() if line.startswith("Max core")))

    assert fleet.process.returncode == 2
    assert "0" in seen


def test_what_a_start_makes_is_private_whatever_the_umask(fleet: Fleet) -> None:
    """B22: of all folders and files on the way, none is open to others."""
    home = fleet.folder / "h"
    fleet.env["XDG_STATE_HOME"] = str(home / "deep")
    fleet.config["fleet"]["state_dir"] = str(home / "s" / "state")
    before = os.umask(0)
    try:
        with running(fleet):
            fleet.wait_connected()
            made = [home, *home.rglob("*")]
            assert [path for path in made if path.stat().st_mode & 0o077] == []
            assert {"test.json", "lock", "a0.log"} <= {path.name for path in made}
    finally:
        os.umask(before)
