"""The handler is edited all the while, as a person would, and loaded anew by `reload`. Shell."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from scripts.lib.soak_talk.plan import Figures, handler, is_broken
from support.fleet import Fleet


class Editing:
    """The edits, each in two writes with a pause between; `run` is for a thread of its own."""

    def __init__(self, fleet: Fleet, scale: float, figures: Figures) -> None:
        self._fleet = fleet
        self._file: Path = fleet.folder / "model.py"
        self._calls: Path = fleet.folder / "calls"
        """One file for each account whose handler was called."""
        self._scale = scale
        self._figures = figures
        self.loaded: list[tuple[float, int]] = []
        """When `reload` had answered (seconds since 1970), and for which version that could be loaded."""
        self.wrong: list[str] = []
        """What each reload answered that said something else than what happened."""

    def write(self, version: int, pause: float = 0.0) -> None:
        """Write a version; a pause leaves half a file there for so many seconds."""
        text = handler(version, self._scale)
        half = len(text) // 2
        with self._file.open("w", encoding="utf-8") as file:
            file.write(text[:half])
            file.flush()
            time.sleep(pause)
            file.write(text[half:])

    def run(self, edits: int, seconds: float) -> None:
        """Edit so often, spread over so many seconds but for those until all have loaded it."""
        chance, end = random.Random(1), time.monotonic() + seconds
        # Handlers are loaded some seconds after the connection: before then there is nothing to load anew.
        while len(list(self._calls.iterdir())) < self._figures.accounts and time.monotonic() < end:
            time.sleep(0.1)
        began = time.monotonic()
        for version in range(1, edits + 1):
            time.sleep(max(0.0, began + version * (end - began) / (edits + 1) - time.monotonic()))
            self.write(version, chance.uniform(0.01, 0.1))
            self._reload(version)

    def _reload(self, version: int) -> None:
        began = time.monotonic()
        answer = self._fleet.client.post("/v1/reload", timeout=60)
        took = time.monotonic() - began
        self._figures.slowest_reload_seconds = max(self._figures.slowest_reload_seconds, took)
        self._figures.edits += 1
        renewed = len(answer["renewed"])
        if is_broken(version):
            self._figures.edits_that_could_not_be_loaded += 1
            right = renewed == 0 and len(answer["warnings"]) == 1
        else:
            self.loaded.append((time.time(), version))
            right = renewed == self._figures.accounts and not answer["warnings"]
        if not right or answer["restarted"]:
            self._figures.wrong_reloads += 1
            self.wrong.append(f"version {version}, {took:.1f} s: {json.dumps(answer, ensure_ascii=False)}")
