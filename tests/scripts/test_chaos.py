"""`scripts/chaos`: its schedule, its promises, and a few seconds of the real thing."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.chaos import gateway_faults, operator_faults, process_faults, promises
from scripts.lib.chaos.hook import Run
from scripts.lib.chaos.plan import WEIGHTS, schedule
from scripts.lib.chaos.promises import Broken, Look
from scripts.lib.chaos.starvation import starved
from support.places import REPOSITORY

STOPPED = {"process": "stopped", "cause": None}
HELD = {"process": "waiting", "cause": "risk"}
RUNNING = {"process": "running", "cause": None}


def chaos(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """Run it to its end; return the report and what it printed."""
    file = folder / "report.json"
    command = [str(REPOSITORY / "scripts" / "chaos"), *words, "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text()), done.stdout


def test_five_seconds_break_no_promise(tmp_path: Path) -> None:
    """Ten faults and a few more; everybody is connected afterwards, and both kinds of handler answered."""
    report, shown = chaos(tmp_path, "--minutes", "0.08", "--accounts", "6", "--seed", "1", "--pause", "0.3")
    mail = report["mail"]

    assert report["broken"] == []
    assert sum(report["faults"].values()) >= 10
    assert report["dials"] >= 6
    assert min(mail[name] for name in ("acked", "handed_to_handlers", "handed_to_webhooks", "answers")) > 0
    assert "| promises broken | 0 |" in shown


@pytest.mark.long
@pytest.mark.timeout(180)
def test_twenty_seconds_break_no_promise(tmp_path: Path) -> None:
    """Another seed every time: what is found is repeated with the one that it prints."""
    report, _ = chaos(tmp_path, "--minutes", "0.33", "--accounts", "12", "--pause", "0.3")
    assert report["broken"] == []


def test_waiting_for_a_processor_is_seen() -> None:
    """Three that share one processor each wait most of their time; one that is no more waited for nothing."""
    spin = "import os, time; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\nwhile True: pass"
    crowd = [subprocess.Popen([sys.executable, "-S", "-c", spin]) for _ in range(3)]
    try:
        time.sleep(0.8)
        assert max(starved(one.pid) for one in crowd) > 0.1
    finally:
        for one in crowd:
            one.kill()
            one.wait()
    assert starved(crowd[0].pid) == 0.0


def test_the_seed_makes_the_schedule() -> None:
    """The same seed, the same faults; every kind of fault comes, and is known."""
    assert schedule(4, 60, 0.5) == schedule(4, 60, 0.5) != schedule(5, 60, 0.5)
    assert {act.kind for act in schedule(4, 3600, 0.5)} == set(WEIGHTS)
    assert set(WEIGHTS) == {*process_faults.FAULTS, *gateway_faults.FAULTS, *operator_faults.FAULTS}
    assert {act.kind for act in schedule(4, 60, 0.5, ["drop"])} == {"drop"}


def names(found: object) -> list[str]:
    """Return which promises are broken."""
    assert not isinstance(found, list)
    return [each.promise for each in found]  # type: ignore[attr-defined]


def test_two_sockets_are_seen() -> None:
    """An overlap is one, also when it is over."""
    good, bad = {"overlaps": 0, "max_live": 1}, {"overlaps": 1, "max_live": 2}
    (found,) = promises.one_socket({"1": good, "2": bad}, {"2": "a2"})
    assert found.account == "a2"


def run(at: float = 10.0, live: int = 0) -> Run:
    """Return a login of a1."""
    return Run(at=at, account="a1", unb="2200000000001", live=live, mood="good")


def looks(*accounts: dict[str, Any]) -> list[Look]:
    """Return looks at a1 at 9, 11, ... seconds."""
    return [Look(9.0 + 2 * number, {"a1": each}) for number, each in enumerate(accounts)]


def test_logins_that_nobody_needs_are_seen() -> None:
    """Of the connected, the stopped and the held; not where an operator wanted one, nor where it changed meanwhile."""
    assert names(promises.needed_login(run(live=1), [], [])) == ["no login for who is connected"]
    assert names(promises.needed_login(run(), looks(STOPPED, STOPPED), [])) == ["no login for who is stopped"]
    assert names(promises.needed_login(run(), looks(HELD, HELD), [])) == ["no login for who is held"]
    assert names(promises.needed_login(run(), looks(STOPPED, RUNNING), [])) == []
    assert names(promises.needed_login(run(), looks(RUNNING, STOPPED), [])) == []
    assert names(promises.needed_login(run(live=1), looks(HELD, HELD), [(5.0, "a1", "refresh")])) == []
    assert names(promises.needed_login(run(live=1), [], [(5.0, "a2", "refresh")])) != []


def test_more_logins_than_a_day_has_are_seen() -> None:
    """The budget is a user's, whatever his name."""
    assert names(promises.few_logins([run()] * 3, 3, {})) == []
    assert names(promises.few_logins([run()] * 4, 3, {})) == ["logins within the day's budget"]


def test_token_calls_of_the_stopped_are_seen() -> None:
    """Unless an operator did something a moment before."""
    still = looks(STOPPED, STOPPED)
    assert names(promises.no_calls_for_stopped("a1", [10.0], still, [])) == ["no token call for who is stopped"]
    assert names(promises.no_calls_for_stopped("a1", [10.0], still, [(9.5, "a1", "stop")])) == []


def test_token_calls_without_pace_are_seen() -> None:
    """A new supervisor begins with a full bucket; one and the same does not."""
    burst = [100.0 + number / 100 for number in range(20)]
    again = [103.0 + number / 100 for number in range(20)]
    assert names(promises.paced(burst + again, [0.0, 102.0], 1.0, "None")) == []
    assert names(promises.paced(burst + again, [0.0], 1.0, "None")) == ["token calls are paced"]


def test_open_and_torn_files_are_seen(tmp_path: Path) -> None:
    """Modes of files and folders, and what is no JSON any more."""
    (tmp_path / "open").mkdir(mode=0o755)
    torn = tmp_path / "open" / "a.json"
    torn.write_text('{"half": ')
    torn.chmod(0o644)
    tmp_path.chmod(0o700)
    found = list(promises.private_files(tmp_path))
    assert [each.promise for each in found] == ["files are private", "files are private", "files are whole"]


def test_a_torn_inbox_is_seen(tmp_path: Path) -> None:
    """One whose middle was overwritten is told; a whole one is not."""
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as store:
        store.execute("CREATE TABLE one (text)")
        store.executemany("INSERT INTO one VALUES (?)", [("x" * 500,)] * 200)
    store.close()
    assert list(promises.whole_inbox(path)) == []
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096)
    assert names(promises.whole_inbox(path)) == ["inboxes are whole"]


def test_faults_in_the_log_are_seen() -> None:
    """What the program says of itself."""
    assert list(promises.faultless_log("all is well")) == []
    (found,) = promises.faultless_log("x\nTraceback (most recent call last):\nKeyError")
    assert isinstance(found, Broken)
    assert "KeyError" in found.how
