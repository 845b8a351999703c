"""
Today's version goes on where an older one ended: a state folder as that one left it, unpacked and started.

What the folders hold and how they are made says `make_state.py`; it says too when another one is needed. Each stays
for as long as a user may come from that version. What is asked here is asked from outside (API, gateway, files).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, running
from support.gateway import Gateway
from support.oldstate import unpack

HERE = Path(__file__).parent
FIXTURES = ("1db53ca",)
ATTEMPTS = {"person": 1, "spent": 6}
"""Hook runs so far; no other account had one."""
HELD = {"risk", "person", "spent", "stopped"}
"""They are left alone. All others are healthy."""
WITH_MESSAGES = {"inbox", "crash"}
"""What they hold stands below by text. The rest, with odd names, have one message, which was handed over: `done`."""

BEFORE = {
    "inbox": {
        **{"failed": "failed", "done": "done", "parked": "parked", "waiting": "waiting"},
        **{"typed by the owner": "kept"},
    },
    "crash": {
        **{"failed": "failed", "answered": "done", "parked": "parked", "sent": "kept"},
        **{"calling": "calling", "waiting": "waiting", "waiting too": "waiting"},
    },
}
LETTERS_BEFORE = {
    "inbox": {"queued": "queued"},
    "crash": {"sent": "sent", "unknown": "unknown", "sending": "sending", "queued": "queued"},
}
NEWS = {"inbox": {"missed": "done", "after the owner": "kept"}, "crash": {"missed": "done"}}
"""What comes while today's version runs."""
AFTER = {
    "inbox": BEFORE["inbox"] | {"waiting": "done"} | NEWS["inbox"],
    "crash": BEFORE["crash"] | {"calling": "parked", "waiting": "done", "waiting too": "done"} | NEWS["crash"],
}
LETTERS_AFTER = {
    "inbox": {"queued": "sent"},
    "crash": {"sent": "sent", "unknown": "unknown", "sending": "unknown", "queued": "sent"},
}
HANDED_OVER = {"inbox": {"waiting": 1, "missed": 1}, "crash": {"waiting": 1, "waiting too": 1, "missed": 1}}

HOOK = """#!/bin/sh
cat >/dev/null
echo "$XYFLEET_ACCOUNT" >>"${0%/*}/hook-runs"
echo '{"error": "wrong password"}'
"""
HANDLER = """
import json, os
from pathlib import Path

async def answer(message, account):
    line = json.dumps([account.name, message.text]) + "\\n"
    file = os.open(Path(__file__).with_name("handed-over"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)
"""


class Upgraded(Fleet):
    """The fleet of a fixture, on this gateway, with a hook and a handler that note what is asked of them."""

    def __init__(self, version: str, folder: Path, gateway: Gateway) -> None:
        super().__init__(folder, gateway.endpoint, gateway.token_url)
        unpack(HERE / f"state-{version}.tar.gz", folder)
        addresses = {key: self.config["fleet"][key] for key in ("endpoint", "token_url")}
        self.config = json.loads(self.file.read_text())
        self.config["fleet"] |= addresses
        self.unbs = {each["name"]: each["cookie"].split(";")[0][4:] for each in self.config["accounts"]}
        self.healthy = set(self.unbs) - HELD
        self.odd = self.healthy - WITH_MESSAGES - {"good"}
        self.expected = HANDED_OVER | {name: {"live": 1} for name in self.odd}
        (folder / "hook").write_text(HOOK)
        (folder / "hook").chmod(0o700)
        (folder / "replies.py").write_text(HANDLER)

    def inbox(self, name: str) -> Path:
        """Return where an account's messages are: under its name before it was moved, under its user after that."""
        old = self.folder / "state" / "inbox" / f"{name}.db"
        return old.with_name(f"{self.unbs[name]}.db") if (self.folder / "state" / "fleet.json").exists() else old

    def read(self, name: str, query: str) -> list[tuple[Any, ...]]:
        """Ask an account's inbox, which stays as it is: also a write-ahead log that was left beside it."""
        with contextlib.closing(sqlite3.connect(f"file:{self.inbox(name)}?mode=ro", uri=True)) as db:
            return db.execute(query).fetchall()

    def states(self, name: str, table: str) -> dict[str, str]:
        """Return the states of all texts in an inbox."""
        return dict(self.read(name, f"SELECT text, state FROM {table}"))

    def handed_over(self) -> dict[str, dict[str, int]]:
        """Return how often the handler was asked about each text of each account."""
        file = self.folder / "handed-over"
        calls = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return {name: dict(Counter(text for who, text in calls if who == name)) for name, _ in calls}


@pytest.mark.parametrize("version", FIXTURES)
def test_a_fleet_goes_on_where_an_older_version_left_it(version: str, tmp_path: Path, fresh_gateway: Gateway) -> None:
    """No login, no token call, nothing handed over or sent twice; stops, verdicts, dead letters and budgets stay."""
    gateway = fresh_gateway
    fleet = Upgraded(version, tmp_path, gateway)
    the_fixture_is_what_it_should_be(fleet)
    modes_are_private(fleet)
    list_again(fleet, gateway)
    with running(fleet):
        fleet.until(lambda: fleet.connected(*fleet.healthy), "the healthy ones are connected")
        odd_names_work(fleet, gateway)
        messages_go_on(fleet, gateway)
        held_ones_stay_held(fleet)
        nobody_asked_for_anything(fleet, gateway)
        assert fleet.stop() == 0
    each_message_is_where_it_should_be(fleet)
    modes_are_private(fleet)


def the_fixture_is_what_it_should_be(fleet: Upgraded) -> None:
    """All states of messages and letters are in it, and the log that SIGKILL left is still one."""
    assert {name: fleet.states(name, "messages") for name in BEFORE} == BEFORE
    assert {name: fleet.states(name, "outbox") for name in LETTERS_BEFORE} == LETTERS_BEFORE
    logs = (fleet.folder / "state").rglob("*-wal")
    assert [path.name for path in logs if path.stat().st_size] == ["crash.db-wal"]
    assert all(fleet.states(name, "messages") == {"done": "done"} for name in fleet.odd)
    assert max(map(len, fleet.odd)) == 64


def modes_are_private(fleet: Fleet) -> None:
    """Only the owner can read any of it."""
    for path in [state := fleet.folder / "state", *state.rglob("*")]:
        assert (path.name, path.stat().st_mode & 0o777) == (path.name, 0o700 if path.is_dir() else 0o600)


def list_again(fleet: Upgraded, gateway: Gateway) -> None:
    """Let the gateway know all messages that it had before, and one to each that nobody has seen, not pushed."""
    query = "SELECT id, text, conversation, time, own FROM messages ORDER BY row"
    for name in WITH_MESSAGES:
        keys = ("id", "text", "conversation", "time")
        known = [
            {"type": "echo" if own else "text", **dict(zip(keys, rest, strict=True))}
            for *rest, own in fleet.read(name, query)
        ]
        missed = {"text": "missed", "conversation": "57001"}
        gateway.push(fleet.unbs[name], items=[*known, missed], deliver=False)


def odd_names_work(fleet: Upgraded, gateway: Gateway) -> None:
    """They can be restarted, and their messages come."""
    names = sorted(fleet.odd)
    before = fleet.pids()

    answer = fleet.client.post("/v1/accounts/restart", {"names": names}, timeout=20)

    assert sorted(answer["done"]) == names
    fleet.until(lambda: all(fleet.pids()[name] not in (None, before[name]) for name in names), "they are restarted")
    fleet.until(lambda: fleet.connected(*names), "they are connected again")
    for name in names:
        gateway.push(fleet.unbs[name], "live")


def messages_go_on(fleet: Upgraded, gateway: Gateway) -> None:
    """What waited is handed over or sent, once; a conversation that its owner took over stays his."""
    gateway.push(fleet.unbs["inbox"], items=[{"text": "after the owner", "conversation": "57009"}])

    fleet.until(lambda: fleet.handed_over() == fleet.expected, "all is handed over")
    for name in WITH_MESSAGES:
        fleet.until(lambda: gateway.stats(fleet.unbs[name])["sends"] == 1, "the queued letter is sent")  # noqa: B023
        own = Counter(each["text"] for each in gateway.messages(fleet.unbs[name]))
        assert own["queued"] == 1


def held_ones_stay_held(fleet: Upgraded) -> None:
    """Each for what it was held for before."""

    def in_state(state: str) -> set[str]:
        return {name for name, seen in fleet.accounts().items() if seen["state"] == state}

    fleet.until(lambda: in_state("FAILED") == HELD - {"stopped", "person"}, "the held ones know it")
    fleet.until(lambda: in_state("CONNECTED") == fleet.healthy, "all others are connected")
    accounts = fleet.accounts()

    assert accounts["risk"]["cause"] == "risk"
    assert (accounts["person"]["cause"], accounts["person"]["process"]) == ("auth", "needs_login")
    assert accounts["spent"]["cause"] == "auth"
    tomorrow = datetime.now(UTC) + timedelta(hours=23)
    assert datetime.fromisoformat(accounts["spent"]["refresh"]["next_allowed"]) > tomorrow
    stopped = accounts["stopped"]
    assert (stopped["process"], stopped["desired"], stopped["pid"]) == ("stopped", "stopped", None)
    assert stopped["desired_by"]
    left = {name: seen["refresh"]["left_today"] for name, seen in accounts.items()}
    assert left == dict.fromkeys(accounts, 6) | {"person": 5, "spent": 0}


def nobody_asked_for_anything(fleet: Upgraded, gateway: Gateway) -> None:
    """No hook ran, no token was asked for, and those who are held did not even dial."""
    attempts = {name: seen["refresh"]["attempts"] for name, seen in fleet.accounts().items()}

    assert attempts == dict.fromkeys(attempts, 0) | ATTEMPTS
    assert not (fleet.folder / "hook-runs").exists()
    assert gateway.stats()["token_calls"] == 0
    assert set(gateway.all_stats()) == {fleet.unbs[name] for name in fleet.healthy}


def each_message_is_where_it_should_be(fleet: Upgraded) -> None:
    """A call that a crash cut off is parked, dead letters stay dead, and nothing is there twice."""
    assert fleet.handed_over() == fleet.expected
    states = {name: fleet.states(name, "messages") for name in AFTER}
    echo = {"queued": "kept"}

    assert {name: expected | echo for name, expected in AFTER.items()} == states
    assert {name: fleet.states(name, "outbox") for name in LETTERS_AFTER} == LETTERS_AFTER
    for name in WITH_MESSAGES:
        assert fleet.read(name, "SELECT count(*) FROM messages") == [(len(states[name]),)]
    ((reason,),) = fleet.read("crash", "SELECT reason FROM messages WHERE text = 'calling'")
    assert reason == "xyfleet ended in the middle of the call"
