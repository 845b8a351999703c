"""A whole fleet as its owner runs it: the supervisor process on a file in a temporary folder, asked over its API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psutil
import yaml

from xyfleet.supervisor.api.client import Client, ClientError
from xyfleet.worker.prewarm.warmup import SWITCH

FIRST_UNB = 2200000000001
FAST = {
    "heartbeat_interval": 0.2,
    "heartbeat_timeout": 0.4,
    "heartbeat_send_timeout": 0.1,
    "heartbeat_retry_delay": 0.1,
    "stable_after": 0.5,
    "open_timeout": 2,
    "register_timeout": 2,
    "retry": {
        "closed": {"step": 0.1, "max": 0.2},
        "network": {"step": 0.1, "max": 0.2},
        "other": {"step": 0.1, "max": 0.2},
        "jitter": 0,
    },
}
"""Settings of a cycle that goes through its states in about a second."""


def unb(index: int) -> str:
    """Return the user id of the account with this index (0 = a0)."""
    return str(FIRST_UNB + index)


def account(index: int, **more: Any) -> dict[str, Any]:
    """Return an account of the file."""
    return {"name": f"a{index}", "cookie": f"unb={unb(index)}; cookie2=sim-{index}", **more}


class Fleet:
    """
    A supervisor process and its file. Use as a context manager: everything it started is gone afterwards.

    With `warm` workers are made smaller as an owner's are, which a short run of the tests leaves out elsewhere: it
    takes each fleet as much CPU as half of what its tests do.
    """

    def __init__(self, folder: Path, endpoint: str, token_url: str, accounts: int = 3, *, warm: bool = False) -> None:
        self.folder = folder
        self.file = folder / "fleet.yml"
        self.process: subprocess.Popen[bytes] | None = None
        self._seen = 0
        """Number of the last event that is not told any more."""
        self.cwd: Path | None = None
        """Where it is started; None = where the tests are."""
        self.config: dict[str, Any] = {
            "version": 1,
            "fleet": {
                "name": "test",
                "endpoint": endpoint,
                "token_url": token_url,
                "state_dir": "state",
                "connect_rate": 0,
                "token_rate": 0,
                "fleet_rate": {"dials": 0, "token_calls": 0},
                "hang_timeout": 2,
                "restart": {"backoff_max": 1, "healthy_after": 1, "failed_grace": 1},
            },
            "defaults": json.loads(json.dumps(FAST)),
            "accounts": [account(i) for i in range(accounts)],
        }
        kept = ("PATH", "HOME") if warm else ("PATH", "HOME", SWITCH)
        self.env = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "XDG_STATE_HOME": str(folder / "home"),
            "XYFLEET_RUN_DIR": str(folder / "r"),
            "LANG": "C.UTF-8",
        }

    def write(self) -> None:
        """Write the file as `config` says now; a supervisor that reads it meanwhile finds it whole."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(self.config, allow_unicode=True, sort_keys=False))
        fresh.chmod(0o600)
        fresh.replace(self.file)

    def start(self, *words: str, wait: bool = True) -> Self:
        """Start the supervisor; with `wait` return when its API answers."""
        self.write()
        with (self.folder / "console.txt").open("ab") as console:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "xyfleet.supervisor", "--file", str(self.file), *words],
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait:
            self.until(self.answers, "the API answers")
        return self

    @property
    def run_dir(self) -> Path:
        """Where its sockets are."""
        return Path(self.env["XYFLEET_RUN_DIR"]) / str(self.config["fleet"]["name"])

    @property
    def client(self) -> Client:
        """A client of the control socket."""
        return Client(str(self.run_dir / "control.sock"), "en", timeout=15)

    def answers(self) -> bool:
        """Whether the API answers."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the supervisor ended with {self.process.returncode}:\n{self.console()}")
        try:
            self.client.get("/v1/health")
        except ClientError:
            return False
        return True

    def status(self) -> dict[str, Any]:
        """Return the whole status."""
        found: dict[str, Any] = json.loads(self.client.get("/v1/status").body)
        return found

    def accounts(self) -> dict[str, dict[str, Any]]:
        """Return the accounts' status by name."""
        return {each["name"]: each for each in self.status()["accounts"]}

    def events(self, kind: str | None = None, name: str | None = None) -> list[dict[str, Any]]:
        """Return the events so far, of one kind and account if given."""
        lines = self.client.get("/v1/events", since=str(self._seen)).body.splitlines()
        found = [json.loads(line) for line in lines]
        return [e for e in found if kind in (None, e["kind"]) and name in (None, e["account"])]

    def forget_events(self) -> None:
        """Tell only what comes from now on: for a test whose fleet has served others."""
        self._seen = max((event["id"] for event in self.events()), default=self._seen)

    def connected(self, *names: str) -> bool:
        """Whether these accounts, or all, are CONNECTED."""
        accounts = self.accounts()
        return all(accounts[name]["state"] == "CONNECTED" for name in names or accounts)

    def pids(self) -> dict[str, int | None]:
        """Return the workers' pids by account."""
        return {name: seen["pid"] for name, seen in self.accounts().items()}

    def replaced(self, before: Mapping[str, int | None]) -> bool:
        """Whether every account is CONNECTED by another process than before; asked in one look, as states pass."""
        return all(
            seen["state"] == "CONNECTED" and seen["pid"] not in (None, before[name])
            for name, seen in self.accounts().items()
        )

    def until(self, holds: Callable[[], Any], what: str, timeout: float = 20.0) -> float:
        """Wait until something holds; return how long that took, or fail with the status and the console."""
        start = time.monotonic()
        while time.monotonic() - start < timeout:
            if holds():
                return time.monotonic() - start
            time.sleep(0.02)
        raise AssertionError(f"not within {timeout} s: {what}\n{self.picture()}")

    def picture(self) -> str:
        """Return what can be seen of the fleet, for a failing test's message."""
        try:
            lines = [
                f"{a['name']} {a['state']} {a['process']} {a['cause']} {a['reason']} restarts={a['restarts']}"
                for a in self.status()["accounts"]
            ]
        except ClientError as error:
            lines = [f"no status: {error!r}"]
        return "\n".join([*lines, self.console()[-4000:], self.own_log()[-4000:]])

    def console(self) -> str:
        """Return what the supervisor printed."""
        return (self.folder / "console.txt").read_text(errors="replace")

    def own_log(self) -> str:
        """Return the supervisor's own log."""
        path = self.folder / "state" / "logs" / "supervisor.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_of(self, name: str) -> str:
        """Return an account's log."""
        path = self.folder / "state" / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_connected(self, timeout: float = 20.0) -> float:
        """Wait until every account is CONNECTED."""
        return self.until(self.connected, "all connected", timeout)

    def family(self) -> list[psutil.Process]:
        """Return the supervisor's descendants."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def forkserver(self) -> psutil.Process:
        """Return the forkserver process: the workers' parent."""
        pid = next(a["pid"] for a in self.status()["accounts"] if a["pid"] is not None)
        parent = psutil.Process(pid).parent()
        assert parent is not None
        return parent

    def stop(self, timeout: float = 10.0) -> int:
        """Stop politely; return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """Kill the supervisor as the kernel would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End everything this fleet started."""
        if self.process is None:
            return
        family = self.family() if self.process.poll() is None else []
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            for process in family:
                if process.is_running():
                    process.kill()


def all_gone(processes: list[psutil.Process], within: float = 5.0) -> bool:
    """Whether all these processes end within some seconds; zombies count as ended."""
    _, alive = psutil.wait_procs(processes, timeout=within)
    return not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def running(fleet: Fleet, *words: str) -> Iterator[Fleet]:
    """Run a fleet for the length of a block."""
    try:
        yield fleet.start(*words)
    finally:
        fleet.close()
