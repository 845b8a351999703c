"""Measures a fleet: how it starts, what it costs, how it heals and how it ends. Shell."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import psutil

from scripts.lib.bench.figures import Sheet, percentile
from scripts.lib.bench.processes import Broken, cpu_seconds, left, pss_mib, rss_mib, wait
from scripts.lib.bench.subject import CONSOLE_SCRIPT, EventStream, Subject, xyfleet
from support.gateway import Gateway

SETTLE: Final = 1.5
"""Seconds after the start: no account dials twice within one, so a worker killed sooner would have to wait."""
BREATH: Final = (0.05, 0.15)
"""Seconds between two kills, chosen at random: they must not keep step with anything."""
ORPHANS_AFTER: Final = 1.0
"""Seconds after which nobody may be left."""

NO_LONGER_YOUNG: Final = 3.5
"""Seconds; a forkserver that dies within its first three is followed by another one only after a pause."""


class Plan(NamedTuple):
    """How much is measured in each run."""

    kills: int
    """Workers killed, each account's once: a second kill soon after the first is a restart with a delay."""
    status_calls: int
    idle: float
    """Seconds of the idle window; 0 = none."""


class Measure:
    """Runs the fleet again and again on one gateway, and notes the figures."""

    def __init__(
        self, fleet: Subject, gateway: Gateway, sheet: Sheet, plan: Plan, progress: Callable[[str], None]
    ) -> None:
        self._fleet = fleet
        self._gateway = gateway
        self._sheet = sheet
        self._plan = plan
        self._progress = progress
        self._random = random.Random()
        self._settled = 0.0

    def run(self) -> None:
        """
        Measure a life of the fleet that ends badly, and one from start to stop. Raises `Broken`.

        In this order, because the first life of all has to get its tokens, which the others find on disk.
        """
        overlaps = self._count("overlaps")
        for step in (
            self._supervisor_killed,
            self._start,
            self._idle,
            self._memory,
            self._status,
            self._restarts,
            self._forkserver_killed,
            self._stop,
        ):
            self._progress(step.__name__.strip("_").replace("_", " "))
            step()
        self._sheet.add("overlaps", self._count("overlaps") - overlaps)

    def _supervisor_killed(self) -> None:
        self._fleet.launch()
        self._fleet.wait_all_connected()
        _supervisor, *others = self._fleet.all_processes()
        self._fleet.kill()
        self._sheet.add("orphans_supervisor", len(left(others, ORPHANS_AFTER)))
        wait(lambda: self._count("sockets") == 0, "the gateway has no connection left", 10)

    def _start(self) -> None:
        gateway, calls = psutil.Process(self._gateway.process.pid), self._count("token_calls")
        before = cpu_seconds([gateway])
        began = self._fleet.launch()
        self._sheet.add("start", self._fleet.wait_all_connected() - began)
        self._sheet.add("start_cpu", cpu_seconds(self._fleet.all_processes()))
        self._sheet.add("start_gateway_cpu", cpu_seconds([gateway]) - before)
        if self._count("token_calls") != calls:
            self._sheet.note("start: tokens had to be asked for, although they were on disk")
        self._settled = time.monotonic() + SETTLE

    def _idle(self) -> None:
        if not self._plan.idle:
            self._sheet.skip("no idle window was asked for", "idle", "idle_supervisor")
            return
        time.sleep(SETTLE)
        pids, processes = self._fleet.workers(), self._fleet.all_processes()
        before, before_alone = cpu_seconds(processes), cpu_seconds(processes[:1])
        began = time.monotonic()
        time.sleep(self._plan.idle)
        used, used_alone = cpu_seconds(processes) - before, cpu_seconds(processes[:1]) - before_alone
        percent = 100 / (time.monotonic() - began)
        self._sheet.add("idle", used * percent)
        self._sheet.add("idle_supervisor", used_alone * percent)
        if self._fleet.workers() != pids or not self._fleet.all_connected():
            self._sheet.fail("not all accounts stayed connected in the idle window")

    def _memory(self) -> None:
        seen = self._fleet.accounts()
        sizes = [pss_mib(account["pid"]) for account in seen.values()]
        if None in sizes:
            sizes = [account["memory_mib"] for account in seen.values()]
            self._sheet.note("memory per account: as the workers say, up to a minute old; reading it needs root")
        else:
            self._sheet.note("memory per account: read from /proc/PID/smaps_rollup")
        known = [size for size in sizes if size is not None]
        if len(known) < len(sizes):
            self._sheet.skip("this system does not tell it", "memory", "memory_p95")
        else:
            self._sheet.add("memory", statistics.mean(known))
            self._sheet.add("memory_p95", percentile(known, 95))
        self._sheet.add("forkserver_rss", rss_mib(self._fleet.forkserver().pid))
        self._sheet.add("supervisor_rss", rss_mib(self._fleet.supervisor.pid))

    def _status(self) -> None:
        if not CONSOLE_SCRIPT.exists():
            self._sheet.note("`status`: this environment has no console script; the same program was run without it")
        for _ in range(self._plan.status_calls):
            began = time.monotonic()
            words = [*xyfleet(), "status", "--json"]
            done = subprocess.run(words, env=self._fleet.env, capture_output=True, check=False)
            self._sheet.add("status", (time.monotonic() - began) * 1000)
            if done.returncode != 0 or len(json.loads(done.stdout)["accounts"]) != self._fleet.wanted:
                raise Broken(f"`status --json` ended with {done.returncode}: {done.stderr.decode()[-500:]}")
            began = time.monotonic()
            self._fleet.client.get("/v1/status")
            self._sheet.add("status_api", (time.monotonic() - began) * 1000)

    def _restarts(self) -> None:
        pids = self._fleet.workers()
        chosen = self._random.sample(sorted(pids), min(self._plan.kills, len(pids)))
        time.sleep(max(0.0, self._settled - time.monotonic()))
        with EventStream(self._fleet) as events:
            for name in chosen:
                time.sleep(self._random.uniform(*BREATH))
                began = time.monotonic()
                os.kill(pids[name], signal.SIGKILL)
                # Its first word, said by its own event loop; the process itself is there some milliseconds before.
                self._sheet.add("running", (events.moved(name, "CONNECTING", self._fleet.patience) - began) * 1000)
                self._sheet.add("connected", (events.moved(name, "CONNECTED", self._fleet.patience) - began) * 1000)
        after = self._fleet.workers()
        changed = {name for name in pids if after.get(name) != pids[name]}
        if changed != set(chosen):
            self._sheet.fail(f"{len(chosen)} workers were killed, but {len(changed)} have another process now")
        if not self._fleet.all_connected():
            self._sheet.fail("not all accounts are connected after the restarts")

    def _forkserver_killed(self) -> None:
        old, forkserver = self._fleet.workers(), self._fleet.forkserver()
        time.sleep(max(0.0, forkserver.create_time() + NO_LONGER_YOUNG - time.time()))
        workers = [psutil.Process(pid) for pid in old.values()]
        forkserver.kill()
        self._sheet.add("orphans_forkserver", len(left(workers, ORPHANS_AFTER)))
        wait(lambda: self._all_new(old), "all accounts connected after the forkserver's death", self._fleet.patience)

    def _all_new(self, old: dict[str, int]) -> bool:
        new = self._fleet.workers()
        return len(new) == len(old) and not set(old.values()) & set(new.values()) and self._fleet.all_connected()

    def _stop(self) -> None:
        before = self._clean_closes()
        took, survivors = self._fleet.end()
        self._sheet.add("stop", took)
        if survivors:
            self._sheet.fail(f"{len(survivors)} processes outlived the supervisor's exit")
        wait(lambda: self._count("sockets") == 0, "the gateway has no connection left", 10)
        self._sheet.add("unclean", self._fleet.wanted - (self._clean_closes() - before))

    def _count(self, name: str) -> int:
        return int(self._gateway.stats()[name])

    def _clean_closes(self) -> int:
        return int(self._gateway.stats()["closes"].get("1000", 0))
