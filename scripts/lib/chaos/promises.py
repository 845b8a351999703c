"""What is promised, as checks of what can be seen from outside. Pure.

Each check yields what is broken. Times are monotonic seconds, which all processes of a machine share.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.lib.chaos.hook import Run

MEANT: Final = {"refresh": 60.0}
"""Seconds for which an operator's command explains a login; the hook may wait for its place."""
SHORTLY: Final = 15.0
"""The same, of every other command."""
HELD: Final = ("risk", "removed", "rival")
WINDOW: Final = 10.0
LATE: Final = 3.0
"""Seconds by which a call may come late, on a busy machine, so that more come at once."""
BURST: Final = 10


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that was not kept."""

    promise: str
    account: str | None
    how: str


@dataclass(frozen=True, slots=True)
class Look:
    """How the accounts stood."""

    at: float
    accounts: Mapping[str, Mapping[str, Any]]


def one_socket(stats: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Broken]:
    """Never two live connections of one user."""
    for user, figures in stats.items():
        if figures["overlaps"] or figures["max_live"] > 1:
            how = f"user {user}: overlaps {figures['overlaps']}, most at once {figures['max_live']}"
            yield Broken("never two live connections of one user", names.get(user), how)


def few_logins(runs: Sequence[Run], budget: int, names: Mapping[str, str]) -> Iterator[Broken]:
    """At most the budget of logins a day."""
    for user, count in Counter(run.unb for run in runs).items():
        if count > budget:
            yield Broken("logins within the day's budget", names.get(user), f"user {user}: {count} logins")


def needed_login(run: Run, looks: Sequence[Look], commands: Sequence[tuple[float, str, str]]) -> Iterator[Broken]:
    """No login for who is connected, stopped or held, unless an operator wants one."""
    if _meant(run, commands):
        return
    if run.live:
        yield Broken("no login for who is connected", run.account, f"login at {run.at:.2f}, connected then")
    for what, is_so in (("stopped", _stopped), ("held", _held)):
        if _all_the_time(run.account, run.at, looks, is_so):
            yield Broken(f"no login for who is {what}", run.account, f"login at {run.at:.2f}, {what} before and after")


def _meant(run: Run, commands: Sequence[tuple[float, str, str]]) -> bool:
    return any(
        name in ("*", run.account) and 0.0 <= run.at - when <= MEANT.get(what, SHORTLY) for when, name, what in commands
    )


def _stopped(seen: Mapping[str, Any]) -> bool:
    return seen["process"] in ("stopped", "disabled")


def _held(seen: Mapping[str, Any]) -> bool:
    return seen["process"] == "waiting" and seen["cause"] in HELD


def _all_the_time(name: str, at: float, looks: Sequence[Look], is_so: Any) -> bool:
    """Whether an account stood so at the last look before `at` and at the first one after."""
    index = bisect_left(looks, at, key=lambda look: look.at)
    both = looks[index - 1 : index + 1] if index else []
    return len(both) == 2 and all(name in look.accounts and is_so(look.accounts[name]) for look in both)


def no_calls_for_stopped(
    name: str, times: Sequence[float], looks: Sequence[Look], commands: Sequence[tuple[float, str, str]]
) -> Iterator[Broken]:
    """No token call for who is stopped; one that was sent already is let end."""
    for at in times:
        meant = any(who in ("*", name) and 0.0 <= at - when <= SHORTLY for when, who, _ in commands)
        if not meant and _all_the_time(name, at, looks, _stopped):
            yield Broken("no token call for who is stopped", name, f"token call at {at:.2f}")


def paced(times: Sequence[float], lives: Sequence[float], rate: float, way: str) -> Iterator[Broken]:
    """Token calls keep to their pace; with each supervisor it begins anew."""
    most = BURST + rate * (WINDOW + LATE)
    for begin, end in zip(lives, [*lives[1:], float("inf")], strict=True):
        mine = sorted(at for at in times if begin <= at < end)
        for index, at in enumerate(mine):
            count = bisect_left(mine, at + WINDOW) - index
            if count > most:
                yield Broken("token calls are paced", None, f"{count} calls within {WINDOW:.0f} s by {way}")
                break


def private_files(state: Path) -> Iterator[Broken]:
    """What is in the state folder is its owner's alone, and can be read back."""
    for folder, _, files in os.walk(state):
        yield from _private(Path(folder), 0o700)
        for name in files:
            path = Path(folder, name)
            yield from _private(path, 0o600)
            if path.suffix == ".json":
                yield from _parsable(path)


def _private(path: Path, mode: int) -> Iterator[Broken]:
    try:
        found = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_IMODE(found) & ~mode and path.name != "ballast":
        yield Broken("files are private", None, f"{path.name} has mode {stat.S_IMODE(found):o}")


def _parsable(path: Path) -> Iterator[Broken]:
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        return
    except ValueError as error:
        yield Broken("files are whole", None, f"{path.name}: {error}")


def whole_inbox(path: Path, *, quiet: bool = True) -> Iterator[Broken]:
    """An inbox is whole, whatever happened to its worker. Not `quiet`: it may be locked, or the disk full."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as store:
            answer = store.execute("PRAGMA integrity_check").fetchall()
    except sqlite3.OperationalError as error:
        answer = [(str(error) if quiet else "ok",)]
    except sqlite3.DatabaseError as error:
        answer = [(str(error),)]
    if answer != [("ok",)]:
        yield Broken("inboxes are whole", None, f"{path.name}: {answer[:3]}")


def faultless_log(text: str) -> Iterator[Broken]:
    """Nothing impossible happens, and no fault of the program's own."""
    for sign in ("impossible event", "Traceback (most recent call last)", "fault in "):
        at = text.find(sign)
        if at >= 0:
            yield Broken("no fault of the program", None, text[max(0, at - 200) : at + 3000])
