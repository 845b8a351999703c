"""What is done before the first fork pays, on each Python, and can be left out without any other change."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from xyfleet.worker.prewarm import immortal, warmup

pytestmark = [pytest.mark.pythons, pytest.mark.long, pytest.mark.skipif("sys.platform != 'linux'", reason="smaps")]
ACCOUNTS = 12
MESSAGES = 20
LEAST = 0.2
"""MiB that each part must save a worker."""


def stored(fleet: Fleet) -> int:
    """Return how many messages the fleet stored."""
    return sum(account["messages"]["stored"] for account in fleet.status()["accounts"])


def private(folder: Path, gateway: Gateway, parts: str) -> float:
    """Return the MiB that a connected worker has for itself, when the forkserver did these parts."""
    folder.mkdir()
    fleet = Fleet(folder, gateway.endpoint, gateway.token_url, accounts=ACCOUNTS)
    fleet.env[warmup.SWITCH] = parts
    with running(fleet):
        fleet.wait_connected()
        for number in range(ACCOUNTS * MESSAGES):
            gateway.push(unb(number // MESSAGES), "在吗")
        gateway.until(lambda: stored(fleet) == ACCOUNTS * MESSAGES, "all is stored")
        sizes = sorted(psutil.Process(pid).memory_full_info().uss for pid in fleet.pids().values() if pid is not None)
        assert "more memory" not in (folder / "console.txt").read_text()
    assert len(sizes) == ACCOUNTS
    return sizes[ACCOUNTS // 2] / 2**20


def test_each_part_saves_memory(tmp_path: Path, gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any one of the parts a worker needs more memory; without all of them it connects all the same."""
    parts = [part for part in warmup.PARTS if part != "immortal" or immortal.possible()]
    sizes = {
        "all": private(tmp_path / "all", gateway, ",".join(parts)),
        "none": private(tmp_path / "none", gateway, "off"),
    }
    for part in parts:
        others = ",".join(other for other in parts if other != part)
        sizes[f"without {part}"] = private(tmp_path / part, gateway, others)
    with capsys.disabled():
        told = ", ".join(f"{name} {size:.2f}" for name, size in sizes.items())
        sys.stdout.write(f"\nprivate MiB of a worker after {MESSAGES} messages: {told}\n")

    saved = {part: round(sizes[f"without {part}"] - sizes["all"], 2) for part in parts}
    assert {part: size for part, size in saved.items() if size < LEAST} == {}
