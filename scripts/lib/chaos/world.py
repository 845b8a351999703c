"""Everything that a run of chaos starts and strikes: fleet, gateway, proxies, hook, disk, and who commands. Shell."""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import psutil

from scripts.lib.chaos.egress import Proxies
from scripts.lib.chaos.hook import Hook
from scripts.lib.chaos.mail import SETTINGS, Mail, answering
from scripts.lib.chaos.shop import Shop
from scripts.lib.soak_messages.trouble import SmallDisk
from support.fleet import FAST, Fleet, account
from support.gateway import Gateway
from xyfleet.supervisor.api.client import Client, ClientError

BUDGET: Final = 30
"""Hook runs per account and day."""
TOKEN_RATE: Final = 5.0
"""Token calls per second and egress."""
PATIENCE: Final = 5.0
"""Seconds for an answer of the API."""
LAST_WORD: Final = 12.0
"""Seconds from SIGTERM to a supervisor's end; it promises 10, and has to share the machine with the faults."""
DISK: Final = 192 * 1024 * 1024
_PR_SET_CHILD_SUBREAPER: Final = 36


class World:
    """One run's things. Methods are called by the thread of the faults, unless they say otherwise."""

    def __init__(self, folder: Path, accounts: int, gateway: Gateway, proxies: Proxies, shop: Shop) -> None:
        self.folder = folder
        self.gateway = gateway
        self.proxies = proxies
        self.disk = SmallDisk(folder / "state", DISK)
        self.hook = Hook(folder, gateway.control, sys.executable)
        self.fleet = Fleet(folder, gateway.endpoint, gateway.token_url, accounts)
        self.mail = Mail(folder, gateway)
        shop.calls = self.mail.calls
        self._settings(accounts, shop.url)
        self.set_aside: list[dict[str, Any]] = []
        """Accounts that a reload has removed."""
        self.commands: list[tuple[float, str, str]] = []
        """What operators did: when, to whom (`*`: all), what."""
        self.lives: list[float] = []
        """When supervisors were started."""
        self.skipped: dict[str, str] = {}
        """What could not be done here, and why."""
        self.notes: list[str] = []
        """What was done, in words."""
        self.deaf_until = 0.0
        """The API need not answer before this."""
        self.starts_until = 0.0
        """The same, for a supervisor that was just started: until it has answered once."""
        self.own: set[int] = set()
        """Processes of ours that are no part of the fleet."""
        self.under: set[str] = set()
        """Faults that can be in force only once at a time."""
        self.ill_ends: list[str] = []
        """How supervisors ended that were asked politely, where that was not well."""
        self._undo: list[tuple[float, int, Callable[[], object]]] = []
        self._start_is_due = False
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(4, "operator")
        self._began = time.monotonic()
        self.own.add(gateway.process.pid)

    def _settings(self, accounts: int, webhook: str) -> None:
        config = self.fleet.config
        beat = 0.2 if accounts <= 8 else 1.0
        config["fleet"] |= {"token_rate": TOKEN_RATE, "connect_rate": 50, "hang_timeout": 3}
        config["defaults"] = json.loads(json.dumps(FAST)) | {
            "heartbeat_interval": beat,
            "heartbeat_timeout": 2 * beat,
            "heartbeat_send_timeout": beat / 2,
            "heartbeat_retry_delay": beat / 2,
            "open_timeout": 4,
            "register_timeout": 4,
            **SETTINGS,
        }
        config["refresh"] = {"command": ["./hook"], "cooldown": 2, "timeout": 8, "login_budget": BUDGET}
        ways = [None, *self.proxies.urls]
        config["accounts"] = [
            account(i, **answering(i, webhook), **({} if (way := ways[i // 3 % len(ways)]) is None else {"proxy": way}))
            for i in range(accounts)
        ]

    # Time.

    def note(self, what: str) -> None:
        """Write down what was done."""
        self.notes.append(f"{time.monotonic() - self._began:8.2f} {what}")

    def later(self, seconds: float, undo: Callable[[], object]) -> None:
        """Have something done after some seconds, or at the end."""
        heapq.heappush(self._undo, (time.monotonic() + seconds, next(self._numbers), undo))

    def due(self, *, everything: bool = False) -> None:
        """Do what is to be done by now."""
        while self._undo and (everything or self._undo[0][0] <= time.monotonic()):
            heapq.heappop(self._undo)[2]()

    def excuse(self, seconds: float) -> None:
        """The supervisor can't answer in time for so long."""
        self.deaf_until = max(self.deaf_until, time.monotonic() + seconds)

    @property
    def up(self) -> bool:
        """Whether the supervisor has answered since it was started; one that begins may end for want of anything."""
        return time.monotonic() > self.starts_until

    def must_answer(self, asked: float) -> bool:
        """Whether a question that was asked then has to be answered. (Called by the observer.)"""
        return asked > max(self.deaf_until, self.starts_until)

    def answered(self, asked: float) -> None:
        """Note that a question was answered. (Called by the observer.)"""
        if asked > self.lives[-1]:
            self.starts_until = min(self.starts_until, asked)

    # The fleet.

    def start(self) -> None:
        """Start the supervisor."""
        self._start_is_due = False
        self.lives.append(time.monotonic())
        self.starts_until = self.lives[-1] + 20.0
        self.fleet.start(wait=False)

    def start_later(self, seconds: float) -> None:
        """Have another supervisor soon, in place of one that was ended."""
        self._start_is_due = True
        self.later(seconds, self.start)

    def tend(self) -> None:
        """Start a supervisor that ended by itself again, as systemd would; the observer has seen it."""
        process = self.fleet.process
        if process is not None and process.poll() is not None and not self._start_is_due:
            self.note(f"the supervisor has ended by itself with {process.returncode}")
            self.start_later(1.0)

    def end(self) -> None:
        """End the supervisor politely, and see how it ends."""
        process = self.fleet.process
        assert process is not None
        process.terminate()
        began = time.monotonic()
        while process.poll() is None:
            self.due()
            time.sleep(0.02)
            if time.monotonic() - began > LAST_WORD:
                self.ill_ends.append(f"not gone {LAST_WORD:.0f} s after SIGTERM")
                self.fleet.kill()
                return
        if process.returncode != 0:
            self.ill_ends.append(f"exit code {process.returncode} after SIGTERM: {self.fleet.console()[-2000:]}")

    def client(self, timeout: float = PATIENCE) -> Client:
        """Return a client of the fleet."""
        return Client(str(self.fleet.run_dir / "control.sock"), "en", timeout=timeout)

    def command(self, what: str, path: str, body: object, *names: str) -> None:
        """Have an operator do something, in a thread of his own; refusals are his."""
        self.note(f"operator: {what} {' '.join(names)}")
        self.commands += [(time.monotonic(), name, what) for name in names]
        self._pool.submit(self._ask, path, body)

    def _ask(self, path: str, body: object) -> None:
        with contextlib.suppress(ClientError, ValueError, OSError):
            self.client(30.0).post(path, body)

    def reload(self, what: str, *names: str) -> None:
        """Write the file as it is to be now, and have it read."""
        self.fleet.write()
        self.command(what, "/v1/reload", {"yes": True}, *names)

    def names(self) -> list[str]:
        """Return the accounts of the file."""
        return [entry["name"] for entry in self.fleet.config["accounts"]]

    def users(self) -> dict[str, str]:
        """Return each account's user."""
        return {entry["name"]: entry["cookie"][4:17] for entry in self.fleet.config["accounts"]}

    # Processes.

    def titled(self, title: str) -> list[psutil.Process]:
        """Return the fleet's processes whose title begins so."""
        process = self.fleet.process
        if process is None or process.poll() is not None:
            return []
        with contextlib.suppress(psutil.Error):
            return [one for one in self.fleet.family() if _title(one).startswith(title)]
        return []

    def signal(self, pid: int, number: signal.Signals) -> bool:
        """Send a signal to a process, which may have gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    def close(self) -> None:
        """End what is left of everything."""
        self.due(everything=True)
        self._pool.shutdown(wait=True, cancel_futures=True)
        try:
            self.fleet.close()
        finally:
            self.disk.relieve()
            self.disk.close()
            reap_all(self.own)


def reap_all(but: set[int]) -> None:
    """End and reap what has come to us, but these."""
    for child in psutil.Process().children():
        if child.pid not in but:
            with contextlib.suppress(psutil.Error):
                child.kill()
                child.wait(5)


def _title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline()[:1])
    return ""


@contextlib.contextmanager
def world(folder: Path, accounts: int) -> Iterator[World]:
    """Make a world, and leave nothing of it."""
    # Orphans come to us, so that they are seen.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with Shop() as shop, Proxies(2) as proxies:
        serving = threading.Thread(target=shop.serve_forever, args=(0.1,))
        serving.start()
        try:
            with Gateway("--repush", "1", "--list-wait", "0.5") as gateway:
                made = World(folder, accounts, gateway, proxies, shop)
                try:
                    yield made
                finally:
                    made.close()
        finally:
            shop.shutdown()
            serving.join()
