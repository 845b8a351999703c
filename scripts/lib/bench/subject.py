"""The fleet under measurement: started as `xyfleet start --detach` starts it, and listened to. Shell."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import psutil

from scripts.lib.bench.processes import Broken, kill, left, tied, wait, wait_exit
from support.fleet import Fleet
from support.gateway import Gateway
from xyfleet.supervisor.api.client import ClientError
from xyfleet.supervisor.cli.start import command

LOOK_EVERY: Final = 0.01
"""Seconds between two looks at a fleet that starts; one costs it less than a millisecond."""
CONSOLE_SCRIPT: Final = Path(sys.executable).with_name("xyfleet")
_SAME_AS_SCRIPT: Final = "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"


def xyfleet() -> list[str]:
    """Return the command as people have it, or in an environment without it the same program."""
    return [str(CONSOLE_SCRIPT)] if CONSOLE_SCRIPT.exists() else [sys.executable, "-c", _SAME_AS_SCRIPT]


class Subject(Fleet):
    """A fleet on a gateway of its own, with the product's defaults but for what `cycle` says."""

    def __init__(
        self, folder: Path, gateway: Gateway, accounts: int, cycle: Mapping[str, Any], log_format: str = "console"
    ) -> None:
        folder.mkdir()
        super().__init__(folder, gateway.endpoint, gateway.token_url, accounts)
        self.wanted = accounts
        self.patience = 30 + accounts * 0.1
        """Seconds in which everything that this fleet is asked to do must be done."""
        settings = self.config["fleet"]
        del settings["hang_timeout"], settings["restart"]
        settings["log"] = {"format": log_format}
        self.config["defaults"] = dict(cycle)
        self.write()
        self._left: list[psutil.Process] = []

    def launch(self) -> float:
        """Start the supervisor; return the monotonic time of its exec."""
        words = [*command(None, str(self.file), fresh=False, verbose=False), "--detach"]
        with (self.folder / "console.txt").open("ab") as console:
            began = time.monotonic()
            self.process = subprocess.Popen(
                words,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=tied,
            )
        return began

    def all_connected(self) -> bool:
        """Whether every account is CONNECTED; cheap for the fleet. Raises `Broken` when the supervisor has ended."""
        if self.pid_if_alive() is None:
            raise Broken(f"the supervisor has ended:\n{self.console()[-2000:]}")
        try:
            health = json.loads(self.client.get("/v1/health").body)
        except ClientError:
            return False  # it does not listen yet
        return bool(health["wanted"] == health["connected"] == self.wanted)

    def wait_all_connected(self) -> float:
        """Wait until every account is CONNECTED; return the monotonic time. Raises `Broken`."""
        return wait(self.all_connected, "all accounts CONNECTED", self.patience, LOOK_EVERY)

    def pid_if_alive(self) -> int | None:
        """Return the supervisor's pid while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    @property
    def supervisor(self) -> psutil.Process:
        """The running supervisor. Raises `Broken`."""
        pid = self.pid_if_alive()
        if pid is None:
            raise Broken("the supervisor has ended")
        return psutil.Process(pid)

    def all_processes(self) -> list[psutil.Process]:
        """Return the supervisor and all below it, which are remembered to be ended at the end."""
        found = [self.supervisor, *self.family()]
        self._left = found
        return found

    def workers(self) -> dict[str, int]:
        """Return the pids of the workers by account."""
        return {name: seen["pid"] for name, seen in self.accounts().items() if seen["pid"] is not None}

    def end(self) -> tuple[float, list[psutil.Process]]:
        """Stop politely; return the seconds until the supervisor's exit, and the processes left a second later."""
        supervisor, *others = self.all_processes()
        began = time.monotonic()
        supervisor.terminate()
        took = wait_exit(supervisor.pid, self.patience) - began
        assert self.process is not None
        code = self.process.wait()
        if code != 0:
            raise Broken(f"the supervisor ended with exit code {code}:\n{self.console()[-2000:]}")
        return took, left(others, 1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever this fleet started and is left."""
        if self.pid_if_alive() is not None:
            self.all_processes()
            self.kill()
        kill(self._left)


class EventStream:
    """The fleet's events as they come; without a thread, which would get between the benchmark and its clock."""

    def __init__(self, fleet: Fleet) -> None:
        seen = fleet.events()
        last = seen[-1]["id"] if seen else 0
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._came = 0.0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(fleet.run_dir / "control.sock"))
        self._socket.sendall(f"GET /v1/events?follow=1&since={last} HTTP/1.0\r\n\r\n".encode("ascii"))
        while self._line(time.monotonic() + 5.0).strip():
            pass  # the answer's head; an empty line ends it

    def moved(self, account: str, state: str, timeout: float) -> float:
        """Wait until this account's connection gets into a state; return when we heard of it. Raises `Broken`."""
        end = time.monotonic() + timeout
        while True:
            event = json.loads(self._line(end))
            if (event["account"], event["kind"], event["to"]) == (account, "state", state):
                return self._came

    def _line(self, end: float) -> bytes:
        while not self._lines:
            if not select.select([self._socket], [], [], max(0.0, end - time.monotonic()))[0]:
                raise Broken("an event that must come did not come")
            data = self._socket.recv(65536)
            self._came = time.monotonic()
            if not data:
                raise Broken("the supervisor ended its stream of events")
            *whole, self._rest = (self._rest + data).split(b"\n")
            self._lines.extend(whole)
        return self._lines.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
