"""What the talk's soak does: options, its fleet's settings, the handler in all its versions, the figures. Pure."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from scripts.lib.tables import table

GATHER: Final = 3.0
"""Seconds, as docs/handlers.md advises it for language models; these and all others times `--scale`."""
HANDLER: Final = """
READY = False
import asyncio, json, os, random, time
time.sleep({load})
CALLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "calls")

async def answer(message, account):
    lines = [line.text for line in message.parts] or [message.text]
    call = {{"version": {version}, "ready": READY, "begun": time.time(), "lines": lines, "end": None,
             "talk": message.conversation, "account": account.name}}
    chance = random.random()
    try:
        await asyncio.sleep(3600 if chance < 0.02 else random.uniform(0.5, 6.0) * {scale})
        if chance < 0.15:
            call["end"] = "failed"
            raise RuntimeError("the model is overloaded")
        call["end"] = "answered"
    finally:
        with open(os.path.join(CALLS, account.name), "a") as file:
            file.write(json.dumps(call) + "\\n")
    return " ".join(lines)

READY = True
"""
"""A language model: slow, one call in seven fails, one in fifty never answers. It says which lines it was given."""
BROKEN: Final = ("\nasync def answer(message, account:\n", "\nraise RuntimeError('not finished yet')\n")
"""What is put behind a version that can't be loaded."""


def settings(scale: float) -> dict[str, Any]:
    """Return the fleet's settings for a talk at this pace."""
    return {
        "handler": "model:answer",
        "handler_gather": GATHER * scale,
        "handler_timeout": 15 * scale,
        "handler_retries": 10,
        "handler_retry_delay": 2 * scale,
        "reply_max_age": 0,
        "reply_limit": 0,
        "send_rate": 0,
        "catch_up_every": 0,
    }


def handler(version: int, scale: float) -> str:
    """Return the handler's file in one of its versions; every fifth, but not the first, can't be loaded."""
    text = HANDLER.format(version=version, scale=scale, load=0.05)
    return text + (BROKEN[version // 5 % 2] if is_broken(version) else "")


def is_broken(version: int) -> bool:
    """Whether a version can't be loaded."""
    return version % 5 == 4


@dataclass
class Figures:
    """What happened, and what came of it."""

    accounts: int = 0
    talks: int = 0
    lines: int = 0
    calls: int = 0
    failed_calls: int = 0
    hung_calls: int = 0
    gathered_calls: int = 0
    """With more than one line."""
    lines_beside_a_failed_one: int = 0
    """That came after a line whose call had failed, and were handed over together with it."""
    answers: int = 0
    edits: int = 0
    edits_that_could_not_be_loaded: int = 0
    slowest_reload_seconds: float = 0.0
    seconds: float = 0.0
    lost: int = 0
    """Lines in no answer."""
    answered_twice: int = 0
    out_of_order: int = 0
    dead_letters: int = 0
    half_loaded: int = 0
    """Calls of a module that was not loaded to its end, or of a version that can't be loaded."""
    old_code: int = 0
    """Calls of an older version that began after its reload had been answered."""
    wrong_reloads: int = 0
    """Reloads that said something else than what happened."""
    dropped_sockets: int = 0
    new_workers: int = 0

    @property
    def faults(self) -> list[str]:
        """What must not be, and is."""
        names = [each.name for each in fields(self)]
        return [f"{name}: {getattr(self, name)}" for name in names[names.index("lost") :] if getattr(self, name)]

    def table(self) -> str:
        """Return the figures as a Markdown table."""
        rows = [(each.name.replace("_", " "), getattr(self, each.name)) for each in fields(self)]
        return table(rows)


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak-talk",
        description="Has buyers write, line by line, to a fleet whose handler is as slow and unreliable as a language "
        "model and is edited all the while, and looks for each line in the answers.",
        epilog="Exit code 1: a line was lost, answered twice or out of order, or an edit was felt.",
    )
    parser.add_argument("--accounts", type=int, default=20, help="how many accounts (20)")
    parser.add_argument("--talks", type=int, default=5, help="how many buyers for each account (5)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long they talk (10)")
    parser.add_argument("--edits", type=int, default=50, help="how often the handler is edited meanwhile (50)")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: everybody is ten times as fast (1)")
    parser.add_argument("--seed", type=int, default=None, help="of the buyers; absent: another one each time")
    parser.add_argument("--short", action="store_true", help="3 accounts, 6 s, 6 edits, fast: only to see it work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into this file too")
    found = parser.parse_args(words)
    if found.short:
        found.accounts, found.minutes, found.edits, found.scale = 3, 0.1, 6, 0.1
    if found.accounts < 1 or found.talks < 1 or found.minutes <= 0 or found.scale <= 0 or found.edits < 0:
        parser.error("--accounts and --talks must be 1 or more, --minutes and --scale above 0")
    return found
