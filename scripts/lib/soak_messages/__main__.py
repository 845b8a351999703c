"""`scripts/soak-messages`: is every message in an inbox exactly once, whatever happens meanwhile? Shell."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.lib.ending import run
from scripts.lib.soak_messages.plan import CLOCK, HANDLER, SETTINGS, Figures, options
from scripts.lib.soak_messages.trouble import SmallDisk, Trouble
from support.fleet import Fleet, running, unb
from support.gateway import Gateway

BEGAN = time.monotonic()
SETTLE = 120.0
"""Seconds after the last push within which everything must be in the inboxes."""
DISK = 96 * 1024 * 1024


def progress(text: str) -> None:
    """Tell whoever waits what is going on, and how many seconds it has been."""
    sys.stderr.write(f"soak {time.monotonic() - BEGAN:6.1f} s: {text}\n")
    sys.stderr.flush()


class Soak:
    """One run: a gateway, a fleet, a pusher and trouble, all in one thread."""

    def __init__(
        self, fleet: Fleet, gateway: Gateway, disk: SmallDisk, chance: random.Random, figures: Figures
    ) -> None:
        self._fleet = fleet
        self._gateway = gateway
        self._disk = disk
        self._chance = chance
        self._figures = figures
        self._trouble = Trouble(fleet, gateway, chance, figures)
        self._sent: dict[str, set[str]] = {unb(i): set() for i in range(figures.accounts)}
        self._pushed: dict[str, dict[str, list[str]]] = {one: {} for one in self._sent}
        """By account and mid: the ids that the frame carried."""
        self._full_since = 0.0
        self._full_until: float | None = None

    def run(self, messages: int, rate: float, full_for: float) -> None:
        """Push, wait, count."""
        self._fleet.wait_connected(60)
        began = time.monotonic()
        fill_at = messages * 2 // 5
        while self._figures.messages < messages:
            self._push(messages - self._figures.messages)
            self._trouble.look()
            if self._disk.there and fill_at is not None and self._figures.messages >= fill_at:
                fill_at = messages + 1
                self._begin_full(full_for)
            self._end_full()
            time.sleep(max(0.0, began + self._figures.messages / rate - time.monotonic()))
        while self._full_until is not None:
            time.sleep(0.1)
            self._end_full()
        self._figures.pushing_seconds = time.monotonic() - began
        progress("all sent; waiting until everything is in the inboxes")
        self._settle()
        self._count()

    def _push(self, left: int) -> None:
        """Push one helping of messages to one account, in one of the ways that the service has."""
        who = self._chance.choice(sorted(self._sent))
        count = min(left, self._chance.choice((1, 1, 1, 2, 5, 32, 32, 40)))
        talk = f"5100000{self._chance.randrange(20):04d}"
        items = [
            {"type": self._chance.choice(("text", "text", "image", "card")), "text": f"m{n}", "conversation": talk}
            for n in range(count)
        ]
        duplicate, deliver = self._chance.random() < 0.2, self._chance.random() < 0.95
        done = self._gateway.push(who, items=items, duplicate=duplicate, deliver=deliver)
        self._sent[who].update(done["ids"])
        self._note_frames(who, done, duplicate)
        self._figures.messages += count
        self._figures.never_pushed += 0 if done["mids"] else count

    def _note_frames(self, who: str, done: dict[str, list[str]], duplicate: bool) -> None:
        copies = 2 if duplicate else 1
        for number, mid in enumerate(done["mids"]):
            start = number // copies * 32
            self._pushed[who][mid] = done["ids"][start : start + 32]
            self._figures.full_frames += len(self._pushed[who][mid]) == 32
        self._figures.frames += len(done["mids"])
        self._figures.duplicated_frames += len(done["mids"]) // 2 if duplicate else 0

    def _begin_full(self, seconds: float) -> None:
        progress("the disk is full now")
        self._disk.fill()
        self._full_since = time.monotonic()
        self._full_until = self._full_since + seconds

    def _end_full(self) -> None:
        if self._full_until is None:
            return
        self._disk.fill()
        if time.monotonic() > self._full_until:
            self._disk.relieve()
            self._figures.disk_full_seconds = time.monotonic() - self._full_since
            self._full_until = None
            progress("the disk has room again")

    def _settle(self) -> None:
        began = time.monotonic()
        while time.monotonic() - began < SETTLE:
            if self._fleet.connected() and all(self._sent[one] <= self._ids(one).keys() for one in self._sent):
                break
            time.sleep(0.5)
        self._figures.settling_seconds = time.monotonic() - began

    def _ids(self, who: str) -> dict[str, bool]:
        """Return the ids in an account's inbox, and whether each was recovered."""
        path = self._fleet.folder / "state" / "inbox" / f"{who}.db"
        if not path.exists():
            return {}
        store = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            made = store.execute("SELECT 1 FROM sqlite_master WHERE name = 'messages'").fetchone()
            rows = store.execute("SELECT id, recovered FROM messages").fetchall() if made else []
        finally:
            store.close()
        self._figures.doubled += len(rows) - len({row[0] for row in rows})
        return {row[0]: bool(row[1]) for row in rows}

    def _count(self) -> None:
        figures = self._figures
        figures.doubled = 0
        for who, sent in self._sent.items():
            found = self._ids(who)
            acked = self._gateway.ask("GET", f"acks?unb={who}")["mids"]
            safe = {one for mid in acked for one in self._pushed[who].get(mid, ())}
            figures.stored += len(found)
            figures.recovered += sum(found.values())
            figures.lost += len(sent - found.keys())
            figures.strangers += len(found.keys() - sent)
            figures.acked_frames += len(acked)
            if who not in self._trouble.lost:
                figures.acked_but_recovered += sum(found.get(one, True) for one in safe)
            self._count_handed(who)
        figures.overlaps = int(self._gateway.stats()["overlaps"])

    def _count_handed(self, who: str) -> None:
        """Count what the handler was given, and what was left to a person."""
        name = self._fleet.config["accounts"][sorted(self._sent).index(who)]["name"]
        file = self._fleet.folder / f"{name}.handed"
        handed = file.read_text().split() if file.exists() else []
        self._figures.handed_over += len(handed)
        self._figures.handed_over_twice += len(handed) - len(set(handed))
        inbox = self._fleet.folder / "state" / "inbox" / f"{who}.db"
        with contextlib.closing(sqlite3.connect(f"file:{inbox}?mode=ro", uri=True, timeout=10)) as store:
            query = "SELECT count(*) FROM messages WHERE state = 'parked'"
            self._figures.parked += store.execute(query).fetchone()[0]


def soak(folder: Path, figures: Figures, chosen: argparse.Namespace, chance: random.Random) -> None:
    """Run it all in a folder of its own."""
    disk = SmallDisk(folder / "state", DISK)
    if not disk.there:
        figures.skipped.append("the disk was not filled: that needs the right to mount one")
    try:
        words = () if chosen.plain else ("--tls",)
        with Gateway("--repush", "1", "--list-wait", "0.5", *words) as gateway:
            gateway.fault(kind="clock", seconds=CLOCK)
            fleet = Fleet(folder, gateway.endpoint, gateway.token_url, figures.accounts)
            if gateway.ca_file is not None:
                fleet.config["fleet"]["ca_file"] = gateway.ca_file
            (folder / "soak_handler.py").write_text(HANDLER)
            fleet.config["defaults"] = dict(SETTINGS)
            with running(fleet):
                Soak(fleet, gateway, disk, chance, figures).run(chosen.messages, chosen.rate, chosen.full_for)
    finally:
        disk.relieve()
        disk.close()


def main(words: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code."""
    chosen = options(words)
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1_000_000)
    figures = Figures(accounts=chosen.accounts)
    progress(f"{chosen.messages} messages over {chosen.accounts} accounts, seed {seed}")
    with tempfile.TemporaryDirectory(prefix="xyfleet-soak-") as name:
        soak(Path(name), figures, chosen, random.Random(seed))
    notes = [*(f"- {each}" for each in figures.skipped), *(f"- **FAULT** {each}" for each in figures.faults)]
    sys.stdout.write("\n".join([f"seed {seed}", "", figures.table(), "", *notes]) + "\n")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"seed": seed, **asdict(figures), "faults": figures.faults}, indent=1) + "\n")
    return 1 if figures.faults else 0


if __name__ == "__main__":
    run(main, progress)
