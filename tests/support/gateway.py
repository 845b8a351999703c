"""The built-in gateway as a process, for tests that need its other end to be real."""

from __future__ import annotations

import http.client
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Self
from urllib.parse import urlencode, urlsplit


class GatewayError(Exception):
    """The gateway refused what a test asked for."""


class Gateway:
    """
    Starts the gateway and speaks to its control port. Calls block for about a millisecond.

    Args:
        words: More command line arguments, such as `--tls` or `--list-wait 0`.
    """

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xyfleet.supervisor.simulator", "--parent-pid", str(os.getpid()), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        address = self._address()
        self.port: int = address["port"]
        self.endpoint: str = address["endpoint"]
        self.token_url: str = address["token_url"]
        self.ca_file: str | None = address["ca_file"]
        self.control: str = address["control"]
        self._control = urlsplit(self.control)

    def _address(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.close()
            raise GatewayError(f"the gateway did not start: exit code {self.process.returncode}")
        address: dict[str, Any] = json.loads(line)
        return address

    def fault(self, unb: str | Sequence[str] = "*", *, kind: str, **settings: Any) -> int:
        """Put a fault in force and return its id; a setting named `for_` is sent as `for`."""
        settings = {name.rstrip("_"): value for name, value in settings.items()}
        answer = self.ask("POST", "faults", {"unb": unb, "kind": kind, **settings})
        return int(answer["id"])

    def clear(self, fault_id: int | None = None) -> None:
        """Lift one fault, or all."""
        self.ask("DELETE", "faults" if fault_id is None else f"faults?id={fault_id}")

    def stats(self, unb: str | None = None) -> dict[str, Any]:
        """Return the figures of one account, or the sums over all."""
        found = self.ask("GET", "stats" if unb is None else f"stats?unb={unb}")
        figures: dict[str, Any] = found["totals"] if unb is None else found["accounts"][unb]
        return figures

    def all_stats(self) -> dict[str, dict[str, Any]]:
        """Return the figures of every account that was seen."""
        accounts: dict[str, dict[str, Any]] = self.ask("GET", "stats")["accounts"]
        return accounts

    def push(self, unb: str, *texts: str, items: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
        """Push messages; returns `{"mids": […], "ids": […]}`."""
        return self.ask("POST", "push", {"unb": unb, "texts": texts, "items": list(items), **more})

    def messages(self, unb: str) -> list[dict[str, Any]]:
        """Return all messages that the gateway keeps for an account, oldest first."""
        found: list[dict[str, Any]] = self.ask("GET", "messages?" + urlencode({"unb": unb}))["messages"]
        return found

    def drop(self, unb: str = "*", how: int | str = "none") -> int:
        """End live connections (a close code, `none` or `reset`) and return how many."""
        return int(self.ask("POST", "drop", {"unb": unb, "how": how})["dropped"])

    def reset(self) -> None:
        """Make it as new."""
        self.ask("POST", "reset")

    def until(self, true: Callable[[], object], what: str, timeout: float = 10.0) -> None:
        """Wait until something holds. Blocks: not for a test whose own loop must run meanwhile."""
        end = time.monotonic() + timeout
        while not true():
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout} s: {what}; figures: {self.stats()}")
            time.sleep(0.01)

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Call a control route and return its JSON."""
        connection = http.client.HTTPConnection(self._control.hostname or "", self._control.port, timeout=10)
        try:
            connection.request(method, self._control.path + path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise GatewayError(f"{response.status}: {answer.get('error')}")
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
