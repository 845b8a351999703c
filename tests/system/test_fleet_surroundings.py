"""What whoever starts a fleet, or signals it, gets wrong does it no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from support.fleet import Fleet, account, running
from support.gateway import Gateway

SUPERVISOR = [sys.executable, "-P", "-m", "xyfleet.supervisor"]
COMMAND = [sys.executable, "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]


def start(fleet: Fleet, script: str) -> None:
    """Start a supervisor as a shell's script does."""
    fleet.write()
    words = ["sh", "-c", f'{script}; exec "$@"', "sh", *SUPERVISOR, "--file", str(fleet.file)]
    fleet.process = subprocess.Popen(words, env=fleet.env, cwd=fleet.folder, start_new_session=True)
    fleet.until(fleet.answers, "the API answers")


def test_closed_descriptors_are_no_sockets(tmp_path: Path, gateway: Gateway) -> None:
    """A supervisor without standard input, output and errors has /dev/null there, and works."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    try:
        start(fleet, "exec <&- >&- 2>&-")
        fleet.wait_connected()
        assert fleet.process is not None
        for fd in range(3):
            assert os.readlink(f"/proc/{fleet.process.pid}/fd/{fd}") == os.devnull
        assert fleet.stop() == 0
    finally:
        fleet.close()


def test_commands_with_closed_descriptors_end_as_they_should(tmp_path: Path) -> None:
    """Nobody sees what they say; the exit code is as ever."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for words, code in ((["--version"], 0), (["status"], 7)):
        closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *COMMAND, *words]
        assert subprocess.run(closed, env=env, check=False, timeout=20).returncode == code


def test_a_working_folder_that_is_gone_is_missed_by_nobody(tmp_path: Path, gateway: Gateway) -> None:
    """A supervisor that is started in a removed folder works; commands there say what they always say."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    gone = "mkdir gone; cd gone; rmdir ../gone"
    try:
        start(fleet, gone)
        fleet.wait_connected()
        words = ["sh", "-c", f'{gone}; exec "$@"', "sh", *COMMAND, "--fleet", "fleet.yml", "status"]
        found = subprocess.run(words, env=fleet.env, cwd=tmp_path, capture_output=True, text=True, timeout=20)
        assert (found.returncode, found.stderr) == (7, "xyfleet: no fleet fleet.yml is running\n")
        assert fleet.stop() == 0
    finally:
        fleet.close()


def test_signals_without_a_meaning_end_nothing(tmp_path: Path, gateway: Gateway) -> None:
    """USR1, USR2, ALRM and their like pass; a hangup where there is no terminal reads the file again (finding 20)."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    with running(fleet):
        fleet.wait_connected()
        assert fleet.process is not None
        for name in ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGRTMIN", "SIGRTMAX"):
            fleet.process.send_signal(getattr(signal, name))
        fleet.config["accounts"].append(account(1))
        fleet.write()
        fleet.process.send_signal(signal.SIGHUP)
        fleet.until(lambda: len(fleet.accounts()) == 2, "the file is read again")
        assert "terminal" not in str(fleet.status()["fleet"]["notes"])
        assert fleet.process.poll() is None
