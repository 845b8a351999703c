"""What the soak does: options, the settings of its fleet, and the figures it notes. Pure."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from scripts.lib.tables import table

SETTINGS: Final[dict[str, Any]] = {
    "heartbeat_interval": 1.0,
    "heartbeat_timeout": 3.0,
    "heartbeat_send_timeout": 0.5,
    "stable_after": 1.0,
    "max_connection_failures": 1000,
    "retry": {each: {"step": 0.1, "max": 0.5} for each in ("closed", "network", "other")},
    "catch_up_every": 4.0,
    "reply_limit": 0,
    "handler": "soak_handler:note",
}
"""Bad days that pass in seconds. A drop every few seconds is no failure of the account here, so none is FAILED."""


HANDLER: Final = """
import os

async def note(message, account):
    with open(os.path.join(os.path.dirname(__file__), f"{account.name}.handed"), "a") as file:
        file.write(message.id + "\\n")
"""
"""Notes what it is given, and answers nothing."""
LOST_INBOXES: Final = 3
"""Inboxes that are removed in one run, at most."""
CLOCK: Final = 1200.0
"""Seconds that the server's clock is ahead of this machine's."""


@dataclass
class Figures:
    """What happened, and what came of it."""

    accounts: int = 0
    messages: int = 0
    frames: int = 0
    duplicated_frames: int = 0
    full_frames: int = 0
    """With 32 items."""
    never_pushed: int = 0
    """Messages that only a listing shows."""
    killed_workers: int = 0
    dropped_sockets: int = 0
    lost_inboxes: int = 0
    """Files that were removed in the middle."""
    parked: int = 0
    """Messages that catching up brought into the place of a lost inbox, for a person to look at."""
    handed_over: int = 0
    handed_over_twice: int = 0
    disk_full_seconds: float = 0.0
    pushing_seconds: float = 0.0
    settling_seconds: float = 0.0
    stored: int = 0
    recovered: int = 0
    acked_frames: int = 0
    lost: int = 0
    doubled: int = 0
    strangers: int = 0
    """Messages in an inbox that nobody sent."""
    acked_but_recovered: int = 0
    """Messages whose push was acked, yet only a listing brought them: acked before they were safe."""
    overlaps: int = 0
    """Registrations while another connection of the account was live."""
    skipped: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What must not be, and is."""
        wrong = ("lost", "doubled", "handed_over_twice", "strangers", "acked_but_recovered", "overlaps")
        return [f"{name}: {getattr(self, name)}" for name in wrong if getattr(self, name)]

    def table(self) -> str:
        """Return the figures as a Markdown table."""
        rows = [(each.name.replace("_", " "), getattr(self, each.name)) for each in fields(self)]
        return table(rows[:-1])


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak-messages",
        description="Pushes messages at a fleet whose workers are killed, whose sockets are dropped and whose disk is "
        "full for a while, and counts what is in the inboxes at the end.",
        epilog="Exit code 1: a message was lost or doubled, or acked before it was safe.",
    )
    parser.add_argument("--accounts", type=int, default=20, help="how many accounts (20)")
    parser.add_argument("--messages", type=int, default=20_000, help="how many messages in all (20000)")
    parser.add_argument("--rate", type=float, default=250.0, help="messages per second over the fleet (250)")
    parser.add_argument("--seed", type=int, default=None, help="of the chances; absent: another one each time")
    parser.add_argument("--full-for", type=float, default=3.0, help="seconds that the disk stays full (3)")
    parser.add_argument("--plain", action="store_true", help="without TLS")
    parser.add_argument("--short", action="store_true", help="3 accounts, 600 messages: only to see it work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into this file too")
    found = parser.parse_args(words)
    if found.short:
        found.accounts, found.messages, found.rate, found.full_for = 3, 600, 400.0, 1.0
    if found.accounts < 1 or found.messages < 1 or found.rate <= 0:
        parser.error("--accounts and --messages must be 1 or more, --rate above 0")
    return found
