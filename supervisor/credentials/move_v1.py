"""Moves the state folder of version 1 over, in which everything stood under an account's name. Shell.

There: `accounts/<name>.json`, `inbox/<name>.db`, `desired.json`. Here: `users/<unb>.json`, `inbox/<unb>.db`,
`fleet.json`. Each step may be cut off and is done again then; what may be done is what `move-v1.json` says, which is
there from the first step to the last. Inboxes are renamed, after a checkpoint; everything else is written anew, and the
old folders stay as `accounts.v1` and `inbox.v1`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import sqlite3
from pathlib import Path
from typing import Any, Final

import msgspec

from xyfleet.supervisor.common import atomic_files
from xyfleet.supervisor.common.paths import OLD_ACCOUNTS, fleet_file, inbox_file, name_file, user_file
from xyfleet.supervisor.credentials import cookies, record
from xyfleet.supervisor.credentials.fleet_document import FleetDocument, Stopped
from xyfleet.supervisor.credentials.record import Credentials
from xyfleet.supervisor.credentials.state_files import decoded

PLAN: Final = "move-v1.json"
OLD: Final = ".v1"
_SIDES: Final = ("-wal", "-shm", "-journal", "")
"""What the names of an inbox's files end with; the file itself last."""
_log: Final = logging.getLogger("xyfleet.store")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is moved where."""

    schema: int = record.SCHEMA
    users: dict[str, str] = {}
    """Names and their users."""


class _Desired(msgspec.Struct, frozen=True):
    """The file of operators' wishes of version 1."""

    stopped: dict[str, Stopped] = {}


def move(state_dir: Path) -> None:
    """Move the folder over if it is one of version 1, or was being moved. Raises `OSError` or `StateRefused`."""
    plan_file, accounts = state_dir / PLAN, state_dir / OLD_ACCOUNTS
    plan = atomic_files.read(plan_file, msgspec.json.Decoder(Plan).decode).value if plan_file.exists() else None
    if plan is None:
        if not (accounts.is_dir() or (state_dir / "desired.json").exists()):
            return
        _set_aside(state_dir)
        plan = Plan(users=_users(accounts))
        atomic_files.write(plan_file, record.encode(plan), keep=False)
    _write_records(state_dir, plan)
    _write_document(state_dir, plan)
    _move_inboxes(state_dir, plan)
    for temporary in (
        *atomic_files.temporaries(accounts),
        *atomic_files.temporaries(state_dir, "desired.json"),
        *atomic_files.temporaries(state_dir, PLAN),
    ):
        temporary.unlink()
    _rename_once(state_dir / "desired.json")
    _rename_once(accounts)
    for left in (state_dir / "desired.json.bak", plan_file):
        left.unlink(missing_ok=True)
    _log.warning("the state of an older version was moved: %d accounts are users now", len(plan.users))


def forget(state_dir: Path, name: str) -> tuple[list[str], str | None]:
    """Delete what version 1 left of an account; return as `Store.erase`."""
    deleted, trouble = [], None
    kept = state_dir / f"{OLD_ACCOUNTS}{OLD}" / f"{name}.json"
    inbox = state_dir / f"inbox{OLD}" / f"{name}.db"
    for path in (kept, atomic_files.backup(kept), *(inbox.with_name(inbox.name + side) for side in _SIDES)):
        try:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                deleted.append(str(path))
        except OSError as error:
            trouble = f"{path}: {error.strerror}"
    return deleted, trouble


def _set_aside(state_dir: Path) -> None:
    """Make room for the old folders; what is there already was moved by a move before."""
    for name in (OLD_ACCOUNTS, "inbox", "desired.json"):
        kept = state_dir / f"{name}{OLD}"
        if kept.exists():
            free = next(n for n in itertools.count(2) if not kept.with_name(f"{kept.name}.{n}").exists())
            kept.rename(kept.with_name(f"{kept.name}.{free}"))


def _accounts(folder: Path) -> list[str]:
    """Return the names of the accounts of version 1: also of those of which only the version before is left."""
    found = {path.name.removesuffix(".bak") for path in folder.iterdir()} if folder.is_dir() else set()
    return sorted(name.removesuffix(".json") for name in found if name.endswith(".json"))


def _old_record(accounts: Path, name: str) -> Credentials | None:
    path = accounts / f"{name}.json"
    found = atomic_files.read(path, lambda data: decoded(path, data, record.decode)).value
    # A login of version 1 has no number, and 0 stands for: there is none.
    return None if found is None else found.but(login=1, schema=record.SCHEMA, readable_by=record.READABLE_BY)


def _users(accounts: Path) -> dict[str, str]:
    """Return which name becomes which user: of two names of one user the one whose login is the newer."""
    found: dict[str, tuple[tuple[float, int], str]] = {}
    for name in _accounts(accounts):
        held = _old_record(accounts, name)
        if held is None or held.unb is None or not cookies.is_user(held.unb):
            continue
        rank = (held.expires, held.serial)
        if held.unb not in found or rank > found[held.unb][0]:
            found[held.unb] = (rank, name)
    return {name: unb for unb, (_, name) in found.items()}


def _write_records(state_dir: Path, plan: Plan) -> None:
    accounts = state_dir / OLD_ACCOUNTS
    for name in _accounts(accounts):
        held = _old_record(accounts, name)
        if held is None:
            continue
        unb = plan.users.get(name)
        if unb is not None:
            _write(user_file(state_dir, unb), held)
        elif held.attempts or held.hook_runs:
            # Another account is that user, or nobody knows whose it is: the login goes, what was tried stays.
            kept = Credentials(attempts=held.attempts, hook_runs=held.hook_runs, needs_human=held.needs_human)
            _write(name_file(state_dir, name), kept)


def _write_document(state_dir: Path, plan: Plan) -> None:
    desired = state_dir / "desired.json"
    stopped = atomic_files.read(desired, lambda data: decoded(desired, data, msgspec.json.Decoder(_Desired).decode))
    known = atomic_files.read(fleet_file(state_dir), msgspec.json.Decoder(FleetDocument).decode).value
    document = (known or FleetDocument()).with_users(plan.users)
    if stopped.value is not None:
        document = document.with_stops(stopped.value.stopped)
    _write(fleet_file(state_dir), document)


def _write(path: Path, document: msgspec.Struct) -> None:
    data: Any = record.encode(document)
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:  # a move before this one was cut off behind it
            return
    atomic_files.write(path, data)


def _move_inboxes(state_dir: Path, plan: Plan) -> None:
    old = state_dir / f"inbox{OLD}"
    _rename_once(state_dir / "inbox")
    if not old.is_dir():
        return
    for name, unb in plan.users.items():
        _move_inbox(old / f"{name}.db", inbox_file(state_dir, unb))


def _move_inbox(old: Path, new: Path) -> None:
    if old.exists():
        _checkpoint(old)
    for side in _SIDES:
        part = old.with_name(old.name + side)
        if part.exists():
            new.parent.mkdir(mode=0o700, exist_ok=True)
            part.rename(new.with_name(new.name + side))


def _checkpoint(path: Path) -> None:
    """Bring what a crash left in the write-ahead log into the file; if that can't be done they are moved together."""
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        _log.warning("%s: its write-ahead log is moved with it: %s", path, error)


def _rename_once(path: Path) -> None:
    kept = path.with_name(path.name + OLD)
    if path.exists() and not kept.exists():
        path.rename(kept)
