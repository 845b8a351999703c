"""`scripts/policy`: a month under a fake clock costs what the rules say, and other constants cost otherwise."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

from scripts.lib.policy.month import Month, Trouble, scripted, struck
from support.places import REPOSITORY


def policy(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """Run it to its end; return the figures by layout and what it printed."""
    file = folder / "figures.json"
    command = [str(REPOSITORY / "scripts" / "policy"), *words, "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text()), done.stdout


def test_two_days_of_a_few_shops(tmp_path: Path) -> None:
    """Every layout has a column; nobody logs in more often than the day's budget, and calls keep their pace."""
    figures, shown = policy(tmp_path, "--accounts", "40", "--days", "1")

    assert list(figures) == ["direct", "ten", "each", "provider"]
    assert all(row["most logins an account and day"] <= 6 for row in figures.values())
    assert all(row["dials"] > 40 for row in figures.values())
    assert figures["direct"]["most token calls in a second"] <= 11
    # By canaries; more when failing token calls led to logins, or a refused old token was taken for a new one.
    assert all(row["needless logins"] <= 10 for row in figures.values())
    assert "| dark minutes a shop |" in shown


def test_a_constant_changes_the_figures(tmp_path: Path) -> None:
    """Where no trouble is ever everybody's, each account tries for itself: that costs logins."""
    few, _ = policy(tmp_path, "--accounts", "40", "--days", "1", "--layouts", "direct")
    many, _ = policy(tmp_path, "--accounts", "40", "--days", "1", "--layouts", "direct", "--least", "1000")

    assert many["direct"]["outages"] < few["direct"]["outages"]
    assert many["direct"]["logins"] > few["direct"]["logins"]


def test_a_shorter_month_has_the_same_troubles() -> None:
    """They come in the same order, within its days, and leave time to mend."""
    month, short = scripted(), scripted(2.0)
    assert [one.kind for one in month.troubles] == [one.kind for one in short.troubles]
    for found in (month, short):
        assert_in_order(found)


def assert_in_order(month: Month) -> None:
    """One trouble begins after the one before it ended."""
    ends = [0.0, *(one.end for one in month.troubles)]
    assert all(end < one.begin for end, one in zip(ends, month.troubles, strict=False))
    assert ends[-1] < month.seconds


def test_a_provider_takes_all_its_ways_along() -> None:
    """With one owner each only a share of the proxies dies together."""
    dead = Trouble(0.0, 1.0, "many_ways_dead", 0.3)
    assert struck(range(20), dead.share, "provider", random.Random(1)) == set(range(20))
    assert len(struck(range(20), dead.share, "each", random.Random(1))) == 6
