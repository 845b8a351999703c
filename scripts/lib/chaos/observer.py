"""Looks at a fleet from outside, all the time, and writes down each promise that is broken. Shell (a thread)."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import psutil

from scripts.lib.chaos import mail_promises, promises
from scripts.lib.chaos.promises import Broken, Look
from scripts.lib.chaos.starvation import starved
from scripts.lib.chaos.world import BUDGET, PATIENCE, TOKEN_RATE, World
from xyfleet.supervisor.api.client import ClientError

EVERY: Final = 0.3
"""Seconds between two looks at the status."""
CROWDED: Final = 20.0
"""Seconds that are waited for an answer; those in which the supervisor got no processor don't count."""
ORPHAN: Final = 15.0
"""Seconds that a process may live after its parent, or be a zombie."""
LOOKS_KEPT: Final = 2000


class Observer:
    """Start it, end it, and see what is `broken`."""

    def __init__(self, world: World, tell: Callable[[str], None]) -> None:
        self.world = world
        self._tell = tell
        self.broken: list[Broken] = []
        self.traces: dict[str, str] = {}
        """By account, of the first promise that was broken to it."""
        self.looks: list[Look] = []
        self.slowest = 0.0
        """Seconds of the slowest answer that had to come in time."""
        self.most_orphans = 0
        self.figures: dict[str, Any] = {}
        """The gateway's, of all accounts together."""
        self._judged = 0
        self._odd: dict[int, float] = {}
        self._log_read = (0, 0)
        self._token_calls: dict[str, float] = {}
        self._inbox = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look once more at everything, and end."""
        self._over.set()
        self._thread.join()
        for look in (self._gateway, self._processes, self._files, self._log):
            look()
        for path in sorted((self.world.folder / "state" / "inbox").glob("*.db")):
            self.take(promises.whole_inbox(path))
        self.take(self.world.mail.judge({user: name for name, user in self.world.users().items()}))

    def _run(self) -> None:
        looks: list[tuple[float, Callable[[], None]]] = [
            (EVERY, self._status),
            (1.0, self._gateway),
            (1.0, self._processes),
            (1.0, self._log),
            (5.0, self._files),
            (5.0, self._one_inbox),
            (5.0, self._calls),
        ]
        due = [0.0] * len(looks)
        while not self._over.wait(0.05):
            for number, (every, look) in enumerate(looks):
                if time.monotonic() >= due[number]:
                    look()
                    due[number] = time.monotonic() + every

    def take(self, found: Iterable[Broken]) -> None:
        """Write down what is broken, once each, with its account's trace."""
        known = {(each.promise, each.account, each.how[:40]) for each in self.broken}
        for each in found:
            if (each.promise, each.account, each.how[:40]) not in known:
                known.add((each.promise, each.account, each.how[:40]))
                self.broken.append(each)
                self.world.note(f"BROKEN {each.promise}: {each.account} {each.how[:200]}")
                self._tell(f"BROKEN {each.promise}: {each.account or ''} {each.how}")
                self._trace(each.account)

    def _trace(self, name: str | None) -> None:
        if name is not None and name not in self.traces:
            with contextlib.suppress(ClientError, OSError):
                self.traces[name] = self.world.client().get(f"/v1/trace/{name}").body.decode()

    # The looks.

    def _status(self) -> None:
        began = time.monotonic()
        process = self.world.fleet.process
        if process is not None and process.poll() not in (None, -9, 0):
            how = f"exit code {process.returncode}: {self.world.fleet.console()[-1500:]}"
            self.take([Broken("the fleet does not end by itself", None, how)])
        pid = 0 if process is None else process.pid
        waited = starved(pid)
        error = found = None
        try:
            found = json.loads(self.world.client(CROWDED).get("/v1/status").body)
        except (ClientError, OSError, ValueError) as failure:
            error = failure
        took = time.monotonic() - began - (starved(pid) - waited)
        if self.world.must_answer(began):
            self.slowest = max(self.slowest, took)
            if error is not None or took > PATIENCE:
                how = f"no answer within {PATIENCE:.0f} s, but in {took:.1f} s: {error!r}"
                self.take([Broken("status answers in time", None, how)])
        if found is None:
            return
        self.world.answered(began)
        accounts = {each["name"]: each for each in found["accounts"]}
        self.looks.append(Look((began + time.monotonic()) / 2, accounts))
        del self.looks[:-LOOKS_KEPT]
        pids = [each["pid"] for each in accounts.values() if each["pid"] is not None]
        if len(pids) != len(set(pids)):
            self.take([Broken("one process an account", None, f"pids {sorted(pids)}")])

    def _gateway(self) -> None:
        world = self.world
        users = world.users()
        names = {user: name for name, user in users.items()}
        answer = world.gateway.ask("GET", "stats")
        stats = answer["accounts"]
        self.figures = answer["totals"]
        self.take(promises.one_socket(stats, names))
        self.take(Broken("a polite end is a good one", None, how) for how in world.ill_ends)
        self._judge_logins(names, answer["now"])
        ways: dict[str, list[float]] = {}
        for entry in [*world.fleet.config["accounts"], *world.set_aside]:
            times = stats.get(entry["cookie"][4:17], {}).get("token_times", [])
            ways.setdefault(str(entry.get("proxy")), []).extend(times)
            settled = [at for at in times if self._token_calls.get(entry["name"], 0.0) < at < answer["now"] - 2.0]
            if settled:
                self._token_calls[entry["name"]] = settled[-1]
                calls = promises.no_calls_for_stopped(entry["name"], settled, self.looks, world.commands)
                self.take(calls)
        for way, times in ways.items():
            self.take(promises.paced(times, world.lives, TOKEN_RATE, way))

    def _judge_logins(self, names: dict[str, str], now: float) -> None:
        runs = self.world.hook.runs()
        self.take(promises.few_logins(runs, BUDGET, names))
        settled = [run for run in runs[self._judged :] if run.at < now - 2.0]  # both looks around it are there
        for run in settled:
            self.take(promises.needed_login(run, self.looks, self.world.commands))
        self._judged += len(settled)

    def _processes(self) -> None:
        """Nobody outlives his parent, and nobody stays a zombie: orphans come to us."""
        world = self.world
        ours = {*world.own, *([] if world.fleet.process is None else [world.fleet.process.pid])}
        odd: dict[int, str] = {}
        family = psutil.Process().children(recursive=True)
        pids = {child.pid for child in family}
        for child in family:
            with contextlib.suppress(psutil.Error):
                worker = mail_promises.parent_of_child(child.cmdline())
                if worker is not None and worker not in pids:
                    odd[child.pid] = f"{child.pid}, a handler's child, of worker {worker}, which is gone"
                elif child.ppid() == os.getpid() and child.pid not in ours:
                    odd[child.pid] = f"orphan {child.pid} {child.cmdline()[:3]} {child.status()}"
                    self._reap(child)
                elif child.status() == psutil.STATUS_ZOMBIE and child.pid not in ours:
                    odd[child.pid] = f"zombie {child.pid} of {child.ppid()} {child.name()}"
        now = time.monotonic()
        self._odd = {pid: self._odd.get(pid, now) for pid in odd}
        self.most_orphans = max(self.most_orphans, len(odd))
        for pid, since in self._odd.items():
            if now - since > ORPHAN:
                self.take([Broken("no orphan, no zombie and no handler's child is left", None, odd[pid])])

    def _reap(self, child: psutil.Process) -> None:
        if child.status() == psutil.STATUS_ZOMBIE:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)

    def _files(self) -> None:
        self.take(promises.private_files(self.world.folder / "state"))

    def _one_inbox(self) -> None:
        inboxes = sorted((self.world.folder / "state" / "inbox").glob("*.db"))
        if inboxes:
            self._inbox = (self._inbox + 1) % len(inboxes)
            self.take(promises.whole_inbox(inboxes[self._inbox], quiet=False))

    def _calls(self) -> None:
        self.take(mail_promises.handed_over_once(self.world.mail.calls.all()))

    def _log(self) -> None:
        """Read what is new in the supervisor's log; a rotated one is begun anew."""
        path = Path(self.world.folder, "state", "logs", "supervisor.log")
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            inode, size = os.fstat(file.fileno()).st_ino, os.fstat(file.fileno()).st_size
            start = self._log_read[1] if self._log_read[0] == inode and self._log_read[1] <= size else 0
            file.seek(start)
            text = file.read()
            self._log_read = inode, start + len(text)
            self.take(promises.faultless_log(text.decode(errors="replace")))
