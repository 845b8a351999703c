"""Measures how soon a connection that went mute is declared dead. Shell."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from scripts.lib.bench.figures import Sheet
from scripts.lib.bench.processes import Broken, wait
from scripts.lib.bench.subject import Subject
from support.fleet import unb
from support.gateway import Gateway
from xyfleet.worker.telemetry import log_texts

ACCOUNTS: Final = 5
TIMEOUT: Final = 1.0
CYCLE: Final = {"heartbeat_interval": 0.5, "heartbeat_timeout": TIMEOUT, "heartbeat_send_timeout": 0.2}
"""Scaled down: what is measured begins at the deadline, however far away that was."""


def measure(folder: Path, gateway: Gateway, sheet: Sheet) -> None:
    """Mute one account of a small fleet and note the figure. Raises `Broken`."""
    with Subject(folder, gateway, ACCOUNTS, CYCLE, log_format="json") as fleet:
        fleet.launch()
        fleet.wait_all_connected()
        time.sleep(TIMEOUT / 2)
        fault = gateway.fault(unb(0), kind="mute")
        wait(lambda: lost(fleet.events("state", "a0")), "the mute connection is declared dead", fleet.patience)
        gateway.clear(fault)
        (declared, *_) = lost(fleet.events("state", "a0"))
        sheet.add("dead", (declared - deadline(fleet.log_of("a0.beats").splitlines())) * 1000)
        fleet.end()


def lost(events: Iterable[dict[str, Any]]) -> list[float]:
    """Return the wall times at which a connection was lost. Raises `Broken` when that was not for its heartbeat."""
    losses = [event for event in events if event["from"] == "CONNECTED"]
    for loss in losses:
        if (loss["to"], loss["cause"]) != ("RECONNECTING", "heartbeat"):
            raise Broken(f"the mute connection ended otherwise: {loss['to']}, cause {loss['cause']}")
    return [datetime.fromisoformat(loss["time"]).timestamp() for loss in losses]


def deadline(log: Iterable[str]) -> float:
    """Return the wall time at which the first connection's oldest unanswered beat made it dead, from its log."""
    waiting: dict[str, float] = {}
    for line in map(json.loads, log):
        if line["generation"] != 1:
            continue
        if line["event"] == log_texts.BEAT_SENT.text:
            waiting[line["mid"]] = datetime.fromisoformat(line["time"]).timestamp()
        elif line["event"] == log_texts.BEAT_ANSWERED.text:
            answered = waiting[line["mid"]]  # an answer settles all older beats too
            waiting = {mid: sent for mid, sent in waiting.items() if sent > answered}
    if not waiting:
        raise Broken("the log of the mute connection has no unanswered beat")
    return min(waiting.values()) + TIMEOUT
