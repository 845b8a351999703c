"""Measures a fleet with messages: latency, throughput and memory. Shell."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from scripts.lib.bench.figures import Sheet, percentile
from scripts.lib.bench.messages_push import Pusher, latencies, noted
from scripts.lib.bench.messages_rows import FRAME, HANDLERS, RATES, Plan
from scripts.lib.bench.processes import cpu_seconds, pss_mib, tied, wait
from scripts.lib.bench.subject import Subject
from support.fleet import unb
from support.gateway import Gateway

MESSAGES: Final = 100
_ACK_RATE: Final = 200
_CYCLE: Final = {"send_rate": 0, "reply_limit": 0}
_HANDLER: Final = """
import time
file = open({path!r}, "a", buffering=1)
async def answer(message, account):
    file.write(f"{{time.time()}} {{message.id}}\\n")
"""


class Lab:
    """A gateway, folders, and what was measured with them."""

    def __init__(
        self, folder: Path, gateway: Gateway, pusher: Pusher, sheet: Sheet, plan: Plan, say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._gateway = gateway
        self._pusher = pusher
        self._sheet = sheet
        self._plan = plan
        self._say = say
        self._files = {name: folder / f"{name}.txt" for name in HANDLERS}
        """What the handlers note."""

    def measure(self) -> None:
        """Measure everything. Raises `Broken`."""
        if self._plan.runs:
            with self._mixed() as fleet:
                self._measure_mixed(fleet)
        if self._plan.idle:
            for key in ("memory", "memory_python"):
                self._say(f"memory: {key}")
                with self._uniform(key) as fleet:
                    self._memory(fleet, list(fleet.workers()), key)

    def _measure_mixed(self, fleet: Subject) -> None:
        if not self._plan.idle:  # the short way: one fleet for all
            self._memory(fleet, [fleet.config["accounts"][2]["name"]], "memory")
            self._memory(fleet, ["a0"], "memory_python")
        for run in range(self._plan.runs):
            self._say(f"latency and throughput, run {run + 1} of {self._plan.runs}")
            self._ack()
            for name in HANDLERS:
                for rate in RATES:
                    self._handle(name, rate)
            self._flood()
        repushed = self._pusher.figures(self._mixed_unbs(), "repushes")
        self._sheet.add("repushed", sum(repushed.values()))

    # Fleets.

    @contextmanager
    def _mixed(self) -> Iterator[Subject]:
        """Run a fleet: the first account has a Python handler, the second a webhook, the others neither."""
        with self._receiver() as url:
            fleet = Subject(self._folder / "mixed", self._gateway, 2 + self._plan.fleet, _CYCLE)
            self._write_handler(fleet)
            fleet.config["accounts"][0]["handler"] = "noting:answer"
            fleet.config["accounts"][1]["webhook"] = {"url": url}
            fleet.write()
            with self._running(fleet):
                yield fleet

    @contextmanager
    def _uniform(self, key: str) -> Iterator[Subject]:
        """Run a fleet whose accounts are all alike."""
        more = {"handler": "noting:answer"} if key == "memory_python" else {}
        fleet = Subject(self._folder / key, self._gateway, self._plan.accounts, _CYCLE | more)
        self._write_handler(fleet)
        with self._running(fleet):
            yield fleet

    def _write_handler(self, fleet: Subject) -> None:
        (fleet.folder / "noting.py").write_text(_HANDLER.format(path=str(self._files["python"])))

    @contextmanager
    def _running(self, fleet: Subject) -> Iterator[None]:
        with fleet:
            fleet.launch()
            fleet.wait_all_connected()
            before = fleet.workers()
            yield
            if fleet.workers() != before:
                self._sheet.fail("workers were restarted meanwhile")
            fleet.end()

    @contextmanager
    def _receiver(self) -> Iterator[str]:
        words = [sys.executable, "-P", "-m", "scripts.lib.bench.messages_receiver", str(self._files["webhook"])]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, preexec_fn=tied) as process:
            try:
                assert process.stdout is not None
                yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
            finally:
                process.kill()

    # Latency and throughput.

    def _mixed_unbs(self) -> list[str]:
        return [unb(number) for number in range(2 + self._plan.fleet)]

    def _ack(self) -> None:
        ids = self._pusher.paced(unb(2), _ACK_RATE, self._plan.seconds)
        self._pusher.wait_acked([unb(2)])
        took = self._pusher.ack_ms(unb(2), len(ids))
        self._sheet.add("ack_p50", statistics.median(took))
        self._sheet.add("ack_p99", percentile(took, 99))

    def _handle(self, name: str, rate: int) -> None:
        who = unb(list(HANDLERS).index(name))
        ids = self._pusher.paced(who, rate, self._plan.seconds)
        took = latencies(ids, self._files[name])
        self._sheet.add("lost", len(ids) - len(took))
        if took:
            self._sheet.add(f"{name}_{rate}_p50", statistics.median(took))
            self._sheet.add(f"{name}_{rate}_p99", percentile(took, 99))

    def _flood(self) -> None:
        everybody = self._mixed_unbs()[2:]
        gateway = [psutil.Process(self._gateway.process.pid)]
        for key, unbs in (("one", everybody[:1]), ("fleet", everybody)):
            for size in (1, FRAME):
                before, began = cpu_seconds(gateway), time.monotonic()
                self._sheet.add(f"{key}_{size}", self._pusher.flood(unbs, size, self._plan.seconds))
                used = (cpu_seconds(gateway) - before) / (time.monotonic() - began)
                self._sheet.add(f"{key}_{size}_gateway", used * 100)

    # Memory.

    def _memory(self, fleet: Subject, names: Sequence[str], key: str) -> None:
        time.sleep(self._plan.settle)
        self._sizes(fleet, names, key)
        self._give_messages(names, handled=key == "memory_python")
        self._sizes(fleet, names, f"{key}_100")
        if key != "memory":
            return
        if not self._plan.idle:
            self._sheet.skip("short mode", "memory_idle")
            return
        inboxes = fleet.folder / "state" / "inbox"
        few = len(names) // 20  # retention opens each once an hour
        wait(lambda: len(list(inboxes.glob("*-wal"))) <= few, "the inboxes are closed", 90, 1.0)
        self._sizes(fleet, names, "memory_idle")

    def _give_messages(self, names: Sequence[str], *, handled: bool) -> None:
        before = len(noted(self._files["python"]))
        unbs = [unb(int(name[1:])) for name in names]
        for _ in range(MESSAGES // 10):
            for who in unbs:
                self._pusher.push(who, 10, 2)
            self._pusher.wait_acked(unbs)  # not more than the disk can take: what waits too long is pushed again
        if handled:
            wanted = before + MESSAGES * len(names)
            wait(lambda: len(noted(self._files["python"])) >= wanted, "all messages are handled", 180, 0.2)

    def _sizes(self, fleet: Subject, names: Sequence[str], key: str) -> None:
        workers = fleet.workers()
        sizes = [size for name in names if (size := pss_mib(workers[name])) is not None]
        if sizes:
            self._sheet.add(key, statistics.mean(sizes))
        else:
            self._sheet.skip("reading it needs root", key)
