#!/usr/bin/env python3
"""
Makes the fixture of `test_upgrade.py`: the folder of a fleet, as one version of xyfleet really leaves it.

    tests/upgrade/make_state.py CHECKOUT

CHECKOUT is a checkout of that version, a clone of this repository say, in which `git checkout 1db53ca` was done. Its
fleet is run from the outside (its `scripts/xyfleet`, its built-in gateway, signals), so nothing of xyfleet is imported
here, and no row or file is written by hand; it takes half a minute. It writes two files beside this one:

* `state-<commit>.tar.gz`: `fleet.yml` as the owner of that fleet wrote it, and the state folder without its logs.
* `state-<commit>.json`: `made`, the wall time in seconds at which the fleet ended. Whoever unpacks the fixture moves
  all times from there to now (`support.oldstate`), so it never grows old.

The files of 1db53ca are never made again: they stand for what is on users' disks. A release that writes its state in
another form gets a fixture of its own, made with this script and a checkout of that release, and a line in
`test_upgrade.FIXTURES`; where its commands or the routes of its gateway are other ones, change them here.

What is in it, all of it by running the fleet: see `ACCOUNTS`, and `Maker` for how each came about. The tokens are good
for a hundred years: their text says when they were issued, and only the gateway that issued them could move that.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
HUNDRED_YEARS = 100 * 365 * 86_400
ODD = ("-x", "con", "events", "supervisor", "_", ".hidden", "...", "a.json", "0", "n" * 64)
"""Names that 1db53ca takes: an option, a device, files of the program's own, dots, the longest one."""
ACCOUNTS = {
    "good": "2200000000001",  # a token, no messages
    "risk": "2200000000002",  # held by a risk verdict
    "person": "2200000000003",  # its hook said that only a person can log in
    "spent": "2200000000004",  # its hook failed six times: no login is left for today
    "stopped": "2200000000005",  # by an operator
    "inbox": "2200000000006",  # messages, ended politely
    "crash": "2200000000007",  # messages, and a write-ahead log that SIGKILL left
} | {name: str(2200000000008 + index) for index, name in enumerate(ODD)}
HEALTHY = set(ACCOUNTS) - {"risk", "person", "spent"}

HOOK = """#!/bin/sh
cat >/dev/null
case $XYFLEET_ACCOUNT in
person) echo '{"error": "the account wants a face check", "needs_human": true}' ;;
*) echo '{"error": "wrong password"}' ;;
esac
"""
HANDLER = '''
import asyncio

async def answer(message, account):
    """Do what the text says; a call that hangs is cut off by the end of its worker."""
    if message.text.startswith("failed"):
        raise ValueError
    if message.text.startswith(("calling", "parked")):
        await asyncio.sleep(3600)
    return "sent" if message.text == "answered" else None
'''


def settings(gateway: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return the accounts file of a fleet of these accounts; other addresses are put in when it is used again."""
    addresses = {key: gateway[key] for key in ("endpoint", "token_url")}
    return {
        "version": 1,
        "fleet": {
            **{"name": "upgrade", "state_dir": "state", **addresses},
            **{"connect_rate": 0, "token_rate": 0, "catch_up_rate": 0, "log": {"beats": False}},
        },
        "refresh": {"command": ["./hook"], "cooldown": 0.1},
        "defaults": {
            **{"handler": "replies:answer", "handler_concurrency": 1, "send_rate": 0},
            **{"handler_retries": 1, "handler_retry_delay": 0.1},  # A call that was cut off has another one left.
        },
        "accounts": [
            {"name": name, "cookie": f"unb={unb}; cookie2=sim-{name}", "username": name}
            for name, unb in ACCOUNTS.items()
            if name in names
        ],
    }


def wait(holds: Callable[[], object], what: str, timeout: float = 60.0) -> None:
    """Wait until something holds, or raise TimeoutError."""
    end = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.1)


class Maker:
    """A fleet of the old version and its gateway. Use as a context manager: what it started is gone afterwards."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.program = checkout / "scripts" / "xyfleet"
        self.folder = folder
        self.file = folder / "fleet.yml"
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **{"LANG": "C.UTF-8", "XDG_STATE_HOME": str(folder / "home"), "XYFLEET_RUN_DIR": str(folder / "run")},
        }
        self.gateway = self.spawn("simulate", stdout=subprocess.PIPE)
        self.fleet: subprocess.Popen[bytes] | None = None
        assert self.gateway.stdout is not None
        self.addresses: dict[str, Any] = json.loads(self.gateway.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.fleet, self.gateway):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(20)

    # The old version's faces.

    def spawn(self, *words: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
        """Start the program; the process turns into the supervisor or the gateway itself."""
        return subprocess.Popen([self.program, *words], env=self.env, stdin=subprocess.DEVNULL, stdout=stdout)

    def write(self, names: set[str]) -> None:
        """Write the accounts file with these accounts only."""
        self.file.write_text(json.dumps(settings(self.addresses, names), indent=1) + "\n")
        self.file.chmod(0o600)

    def start(self, names: set[str]) -> None:
        """Start the fleet with these accounts only."""
        self.write(names)
        self.fleet = self.spawn("start", str(self.file), stdout=subprocess.DEVNULL)
        wait(lambda: self.ask("status", "--json").stdout, "the fleet answers")

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the program."""
        return subprocess.run([self.program, *words], env=self.env, capture_output=True, text=True, check=False)

    def status(self) -> dict[str, dict[str, Any]]:
        """Return the accounts' status by name."""
        return {each["name"]: each for each in json.loads(self.ask("status", "--json").stdout)["accounts"]}

    def connected(self) -> set[str]:
        """Return the accounts that are connected."""
        return {name for name, seen in self.status().items() if seen["state"] == "CONNECTED"}

    def control(self, path: str, **body: Any) -> None:
        """Post to the gateway's control port."""
        urlopen(Request(self.addresses["control"] + path, json.dumps(body).encode()), timeout=10).close()

    def push(self, name: str, *texts: str) -> None:
        """Have buyers write, each in a conversation of his own whose number is that of the text."""
        items = [{"text": text, "conversation": f"5700{index}"} for index, text in enumerate(texts)]
        self.control("push", unb=ACCOUNTS[name], items=items)

    def stored(self, name: str, table: str, columns: str = "text, state") -> dict[str, Any]:
        """Return two columns of an inbox, the state of each text say, as its file has them while the fleet runs."""
        file = self.folder / "state" / "inbox" / f"{name}.db"
        if not file.exists():
            return {}
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            made = db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            return dict(db.execute(f"SELECT {columns} FROM {table}")) if made else {}

    def until(self, name: str, table: str, expected: dict[str, str]) -> None:
        """Wait until texts in an inbox have these states."""
        wait(lambda: expected.items() <= self.stored(name, table).items(), f"{name} {table} {expected}")

    # What is made.

    def make(self) -> int:
        """Run the fleet until all is as wanted; return the wall time at which it had ended."""
        (self.folder / "hook").write_text(HOOK)
        (self.folder / "hook").chmod(0o700)
        (self.folder / "replies.py").write_text(HANDLER)
        self.control("faults", kind="token_ttl", seconds=HUNDRED_YEARS)
        self.control("faults", kind="risk", unb=ACCOUNTS["risk"])
        self.control("faults", kind="session_expired", unb=[ACCOUNTS[n] for n in ("person", "spent")], logins=True)
        self.start(set(ACCOUNTS) - {"crash"})
        self.live()
        self.end_politely()
        self.start({"crash"})
        self.crash()
        self.write(set(ACCOUNTS))
        return int(time.time()) + 1

    def live(self) -> None:
        """Wait for the verdicts of gateway and hook, and for the messages of `inbox` and those with an odd name."""
        wait(lambda: self.connected() == HEALTHY - {"crash"}, "all are connected")
        for name in ODD:
            self.push(name, "done")
        self.fail("inbox")
        self.push("inbox", "done", "parked", "waiting")
        typed = {"type": "echo", "text": "typed by the owner", "conversation": "57009"}
        self.control("push", unb=ACCOUNTS["inbox"], items=[typed])
        for name in ODD:
            self.until(name, "messages", {"done": "done"})
        self.until("inbox", "messages", {"done": "done", "parked": "calling", "waiting": "waiting"})
        wait(lambda: "caught_up" in self.stored("inbox", "meta", "key, value"), "inbox has caught up")

        def judged() -> bool:
            seen = self.status()
            verdicts = seen["risk"]["cause"] == "risk", seen["person"]["process"] == "needs_login"
            return all(verdicts) and seen["spent"]["refresh"]["left_today"] == 0

        wait(judged, "verdicts")

    def end_politely(self) -> None:
        """Stop an account, leave a letter that could not be sent, and end the fleet: that parks the call under way."""
        assert self.fleet is not None
        assert self.ask("stop", "stopped").returncode == 0
        self.control("faults", kind="refuse", connections="all")
        wait(lambda: not self.connected(), "all are cut off")
        self.send("inbox", "queued", "queued")
        self.fleet.terminate()
        assert self.fleet.wait(20) == 0
        self.lift("refuse")

    def crash(self) -> None:
        """Leave every state of message and letter in `crash`: one worker is killed, and then the whole fleet."""
        assert self.fleet is not None
        wait(self.connected, "crash is connected")
        self.fail("crash")
        self.push("crash", "answered", "parked")
        self.until("crash", "messages", {"answered": "done", "parked": "calling"})
        self.until("crash", "outbox", {"sent": "sent"})
        wait(lambda: "caught_up" in self.stored("crash", "meta", "key, value"), "crash has caught up")
        self.control("faults", kind="send_silent", unb=ACCOUNTS["crash"])
        self.send("crash", "unknown", "sending")
        os.kill(self.status()["crash"]["pid"], signal.SIGKILL)
        self.until("crash", "messages", {"parked": "parked"})
        self.until("crash", "outbox", {"unknown": "unknown"})
        wait(self.connected, "crash is connected again")
        self.push("crash", "calling", "waiting", "waiting too")
        self.until("crash", "messages", {"calling": "calling", "waiting": "waiting", "waiting too": "waiting"})
        self.send("crash", "sending", "sending")
        self.send("crash", "queued", "queued")
        worker = self.status()["crash"]["pid"]
        self.fleet.send_signal(signal.SIGSTOP)  # It must not start another worker, which would settle all this.
        os.kill(worker, signal.SIGKILL)
        self.fleet.kill()
        self.fleet.wait()

    def fail(self, name: str) -> None:
        """Have a message become a dead letter, before one whose call hangs would take its turn."""
        self.push(name, "failed")
        self.until(name, "messages", {"failed": "failed"})

    def send(self, name: str, text: str, state: str) -> None:
        """Put a text into an outbox, and wait until it has come so far."""
        self.ask("send", name, "57000", text, "--wait", "0")
        self.until(name, "outbox", {text: state})

    def lift(self, kind: str) -> None:
        """Lift the faults of a kind."""
        with urlopen(self.addresses["control"] + "faults", timeout=10) as answer:
            faults = json.load(answer)["faults"]
        for fault in faults:
            if fault["kind"] == kind:
                gone = Request(f"{self.addresses['control']}faults?id={fault['id']}", method="DELETE")
                urlopen(gone, timeout=10).close()


def members(folder: Path) -> Iterator[Path]:
    """Return what goes into the archive."""
    yield folder / "fleet.yml"
    for path in sorted([folder / "state", *(folder / "state").rglob("*")]):
        if "logs" not in path.relative_to(folder).parts:
            yield path


def pack(folder: Path, archive: Path, made: int) -> None:
    """Write the archive: modes as they are, all of one moment and of no one's."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = made
        return member

    with tarfile.open(archive, "w:gz", compresslevel=9) as packed:
        for path in members(folder):
            packed.add(path, path.relative_to(folder), recursive=False, filter=plain)


def main() -> None:
    """Make the fixture of the checkout that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    checkout = Path(sys.argv[1]).resolve()
    found = subprocess.run(
        ["git", "-C", checkout, "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=True
    )
    commit = found.stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        with Maker(checkout, Path(folder)) as maker:
            made = maker.make()
        pack(Path(folder), HERE / f"state-{commit}.tar.gz", made)
    (HERE / f"state-{commit}.json").write_text(json.dumps({"made": made}) + "\n")


if __name__ == "__main__":
    main()
