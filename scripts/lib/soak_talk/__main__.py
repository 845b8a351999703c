"""`scripts/soak-talk`: is every line of every buyer answered once and in order, by whole code? Shell."""

from __future__ import annotations

import heapq
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from scripts.lib.ending import run
from scripts.lib.soak_talk.editing import Editing
from scripts.lib.soak_talk.plan import Figures, is_broken, options, settings
from support.fleet import Fleet, running, unb
from support.gateway import Gateway

BEGAN = time.monotonic()
SETTLE = 300.0
"""Seconds after the last line within which everything must be answered, at full scale."""
TALK = tuple[int, str]
"""An account's index and a conversation."""


def progress(text: str) -> None:
    """Tell whoever waits what is going on, and how many seconds it has been."""
    sys.stderr.write(f"soak {time.monotonic() - BEGAN:6.1f} s: {text}\n")
    sys.stderr.flush()


class Buyers:
    """Each writes one to four lines, a little apart, and then waits a while, whatever is answered."""

    def __init__(self, gateway: Gateway, accounts: int, talks: int, scale: float, chance: random.Random) -> None:
        self._gateway = gateway
        self._scale = scale
        self._chance = chance
        self.said: dict[TALK, int] = {(i, f"61{i:03d}{t:03d}"): 0 for i in range(accounts) for t in range(talks)}
        """How many lines; their texts are their numbers, from 1 on."""
        self._left: dict[TALK, int] = dict.fromkeys(self.said, 0)

    def talk(self, seconds: float) -> None:
        """Write for so many seconds."""
        began = time.monotonic()
        due = [(began + self._chance.uniform(0, 20) * self._scale, talk) for talk in self.said]
        heapq.heapify(due)
        while due[0][0] < began + seconds:
            at, talk = heapq.heappop(due)
            time.sleep(max(0.0, at - time.monotonic()))
            self._write(talk)
            heapq.heappush(due, (at + self._pause(talk) * self._scale, talk))

    def _write(self, talk: TALK) -> None:
        self.said[talk] += 1
        index, conversation = talk
        item = {"text": str(self.said[talk]), "conversation": conversation, "peer": f"33{conversation}"}
        self._gateway.push(unb(index), items=[item])

    def _pause(self, talk: TALK) -> float:
        if self._left[talk] == 0:
            self._left[talk] = self._chance.randrange(4)
            return self._chance.uniform(4, 25)
        self._left[talk] -= 1
        return self._chance.uniform(0.3, 2.5)


def answered(gateway: Gateway, talks: Sequence[TALK]) -> dict[TALK, list[list[int]]]:
    """Return what the accounts wrote: in each conversation the lines that each answer named."""
    found: dict[TALK, list[list[int]]] = {talk: [] for talk in talks}
    for index in sorted({index for index, _ in talks}):
        for message in gateway.messages(unb(index)):
            if message["sender"] == unb(index):
                found[index, message["conversation"]].append([int(word) for word in message["text"].split()])
    return found


def count_answers(said: dict[TALK, int], found: dict[TALK, list[list[int]]], figures: Figures) -> None:
    """Look for each line in the answers."""
    for talk, lines in said.items():
        named = [line for answer in found[talk] for line in answer]
        figures.answers += len(found[talk])
        figures.lost += len(set(range(1, lines + 1)) - set(named))
        figures.answered_twice += len(named) - len(set(named))
        figures.out_of_order += sum(before > after for before, after in pairwise(named))


def count_calls(folder: Path, loaded: Sequence[tuple[float, int]], figures: Figures) -> None:
    """Look at what the handler noted of its calls."""
    for file in sorted(folder.iterdir()):
        failed: dict[str, set[str]] = {}
        for call in map(json.loads, file.read_text("utf-8").splitlines()):
            figures.calls += 1
            figures.failed_calls += call["end"] == "failed"
            figures.hung_calls += call["end"] is None
            figures.gathered_calls += len(call["lines"]) > 1
            figures.half_loaded += not call["ready"] or is_broken(call["version"])
            figures.old_code += any(at < call["begun"] and version > call["version"] for at, version in loaded)
            _count_late(call, failed, figures)


def _count_late(call: dict[str, Any], failed: dict[str, set[str]], figures: Figures) -> None:
    """Count the lines that were handed over beside one whose call had failed."""
    lines, before = set(call["lines"]), failed.get(call["talk"], set())
    if before & lines:
        figures.lines_beside_a_failed_one += len(lines - before)
    failed[call["talk"]] = set() if call["end"] == "answered" else lines


def soak(folder: Path, figures: Figures, chosen: Any, chance: random.Random) -> None:
    """Run it all in a folder of its own."""
    (folder / "calls").mkdir()
    with Gateway() as gateway:
        fleet = Fleet(folder, gateway.endpoint, gateway.token_url, figures.accounts)
        fleet.config["defaults"] = settings(chosen.scale)
        editing = Editing(fleet, chosen.scale, figures)
        editing.write(0)
        with running(fleet):
            fleet.wait_connected(60)
            talk(fleet, gateway, editing, figures, chosen, chance)
    for answer in editing.wrong:
        progress(f"wrong reload: {answer}")
    count_calls(folder / "calls", editing.loaded, figures)


def talk(
    fleet: Fleet, gateway: Gateway, editing: Editing, figures: Figures, chosen: Any, chance: random.Random
) -> None:
    """Have the buyers talk and the handler edited, wait for the last answers, and look at them."""
    dials, pids = gateway.stats()["dials"], fleet.pids()
    buyers = Buyers(gateway, chosen.accounts, chosen.talks, chosen.scale, chance)
    began, seconds = time.monotonic(), chosen.minutes * 60
    editor = threading.Thread(target=editing.run, args=(chosen.edits, seconds))
    editor.start()
    buyers.talk(seconds)
    editor.join()
    figures.seconds = time.monotonic() - began
    figures.talks, figures.lines = len(buyers.said), sum(buyers.said.values())
    progress(f"{figures.lines} lines are said; waiting until all are answered")
    end = time.monotonic() + SETTLE * max(chosen.scale, 0.1)
    while time.monotonic() < end:
        found = answered(gateway, list(buyers.said))
        if sum(len(answer) for answers in found.values() for answer in answers) >= figures.lines:
            break
        time.sleep(0.2)
    count_answers(buyers.said, found, figures)
    figures.dead_letters = len(fleet.client.get("/v1/messages", failed="1", limit="10000").body.splitlines())
    figures.dropped_sockets = gateway.stats()["dials"] - dials
    figures.new_workers = sum(pid != pids[name] for name, pid in fleet.pids().items())


def main(words: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code."""
    chosen = options(words)
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1_000_000)
    figures = Figures(accounts=chosen.accounts)
    progress(f"{chosen.talks} buyers for each of {chosen.accounts} accounts, {chosen.minutes:g} minutes, seed {seed}")
    with tempfile.TemporaryDirectory(prefix="xyfleet-talk-") as name:
        soak(Path(name), figures, chosen, random.Random(seed))
    notes = [f"- **FAULT** {each}" for each in figures.faults]
    sys.stdout.write("\n".join([f"seed {seed}", "", figures.table(), "", *notes]) + "\n")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"seed": seed, **asdict(figures), "faults": figures.faults}, indent=1) + "\n")
    return 1 if figures.faults else 0


if __name__ == "__main__":
    run(main, progress)
