"""The bad days: workers killed, sockets dropped, a disk that fills up. Shell."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from scripts.lib.soak_messages.plan import LOST_INBOXES, Figures
from support.fleet import Fleet
from support.gateway import Gateway

ENDINGS: Final = ("none", "reset", 1000, 1001, 1006, 1011)
PAUSE: Final = (0.1, 0.5)
"""Seconds between two troubles, chosen at random."""


class Trouble:
    """Makes trouble whenever its time has come."""

    def __init__(self, fleet: Fleet, gateway: Gateway, chance: random.Random, figures: Figures) -> None:
        self._fleet = fleet
        self._gateway = gateway
        self._chance = chance
        self._figures = figures
        self._due = time.monotonic() + PAUSE[1]
        self.lost: set[str] = set()
        """Users whose inbox was removed."""

    def look(self) -> None:
        """Make the next trouble, if it is time."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._chance.uniform(*PAUSE)
        if self._figures.lost_inboxes < LOST_INBOXES and self._chance.random() < 0.1:
            self._lose_inbox()
        elif self._chance.random() < 0.4:
            self._kill()
        else:
            self._drop()

    def _kill(self) -> None:
        pids = [seen["pid"] for seen in self._fleet.accounts().values() if seen["pid"] is not None]
        if pids:
            with contextlib.suppress(ProcessLookupError):  # one that has just gone by itself
                os.kill(self._chance.choice(pids), signal.SIGKILL)
                self._figures.killed_workers += 1

    def _lose_inbox(self) -> None:
        """Remove one that has messages, with all that is beside it."""
        files = sorted((self._fleet.folder / "state" / "inbox").glob("*.db"))
        if files:
            lost = self._chance.choice(files)
            for end in ("", "-wal", "-shm"):
                Path(f"{lost}{end}").unlink(missing_ok=True)
            self.lost.add(lost.stem)
            self._figures.lost_inboxes += 1

    def _drop(self) -> None:
        unb = self._chance.choice([entry["cookie"][4:17] for entry in self._fleet.config["accounts"]])
        how = self._chance.choice(ENDINGS)
        if how == 1006:
            how = "reset"
        self._figures.dropped_sockets += self._gateway.drop(unb, how)


class SmallDisk:
    """A disk of a few MiB under the fleet's state, which can be filled. Needs the right to mount."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir(mode=0o700)
        words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "xyfleet-soak", str(folder)]
        self.there = subprocess.run(words, capture_output=True, check=False).returncode == 0

    def fill(self) -> None:
        """Leave no room, also where somebody gives some back meanwhile."""
        with self._ballast.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"\0" * 4096)

    def relieve(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Take the disk away."""
        if self.there:
            subprocess.run(["umount", str(self._folder)], check=True)
