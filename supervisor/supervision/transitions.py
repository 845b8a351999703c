"""The one table that moves the condition of an account. Pure.

Each kind of event looks at one part of the condition, and has an entry for every value of that part: a move, or the
reason why nothing happens, or IMPOSSIBLE. Where an event answers a request, an answer whose number is not held any more
is late: it changes nothing, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Login, Wish, Worker
from xyfleet.supervisor.supervision.login_moves import LoginMoves
from xyfleet.supervisor.supervision.owner_moves import OwnerMoves
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.worker_moves import WorkerMoves

IMPOSSIBLE: Final = None
"""In the table: this can't happen. If it does all the same, nothing changes, and it is counted and logged."""


class Move(OwnerMoves, WorkerMoves, LoginMoves):
    """One move."""


Row = Mapping[StrEnum, "Callable[[Move, Event], None] | str | None"]

_ALWAYS_WORKER = Worker.NONE, Worker.QUEUED, Worker.STARTING, Worker.LIVE, Worker.STOPPING
_ALWAYS_LOGIN = Login.FINE, Login.HOOK_WAITING, Login.HOOK_RUNNING, Login.HELD, Login.PERSON


def _all(parts: tuple[StrEnum, ...], move: Callable[[Move, Event], None]) -> Row:
    return dict.fromkeys(parts, move)


_NOT_LIVE: Final[Row] = {
    Worker.NONE: "said before its end was proven",
    Worker.QUEUED: "said by the worker before",
    Worker.STARTING: "said by the worker before",
    Worker.STOPPING: "it is on its way out",
}

TABLE: Final[Mapping[Kind, Row]] = {
    Kind.WANT: {
        Wish.RUN: "it is wanted already",
        Wish.STOPPED: Move.want,
        Wish.DISABLED: "the file says that it is off",
        Wish.REMOVED: "it is on its way out for good",
    },
    Kind.BEGIN: {
        Wish.RUN: Move.begin,
        Wish.STOPPED: "an operator stopped it",
        Wish.DISABLED: "the file says that it is off",
        Wish.REMOVED: IMPOSSIBLE,
    },
    Kind.UNWANT: {
        Wish.RUN: Move.unwant,
        Wish.STOPPED: "it is stopped already",
        Wish.DISABLED: Move.unwant,
        Wish.REMOVED: "it is on its way out for good",
    },
    Kind.ENABLED: {
        Wish.RUN: "it is on already",
        Wish.STOPPED: "an operator stopped it",
        Wish.DISABLED: Move.want,
        Wish.REMOVED: Move.want,
    },
    Kind.DISABLED: {
        Wish.RUN: Move.disable,
        Wish.STOPPED: "an operator stopped it; nothing runs",
        Wish.DISABLED: "it is off already",
        Wish.REMOVED: "it is on its way out for good",
    },
    Kind.REMOVED: {
        Wish.RUN: Move.remove,
        Wish.STOPPED: Move.remove,
        Wish.DISABLED: Move.remove,
        Wish.REMOVED: "it is on its way out already",
    },
    Kind.RESTART: {
        Wish.RUN: Move.restart,
        Wish.STOPPED: Move.want,
        Wish.DISABLED: "the file says that it is off",
        Wish.REMOVED: "it is on its way out for good",
    },
    Kind.RECONNECT: {
        Wish.RUN: Move.reconnect,
        Wish.STOPPED: "an operator stopped it",
        Wish.DISABLED: "the file says that it is off",
        Wish.REMOVED: "it is on its way out for good",
    },
    Kind.FAULT: {
        Wish.RUN: Move.fault,
        Wish.STOPPED: "nothing is wanted of it",
        Wish.DISABLED: "nothing is wanted of it",
        Wish.REMOVED: "it is on its way out for good",
    },
    Kind.SETTINGS_LIVE: {
        Wish.RUN: Move.settings_live,
        Wish.STOPPED: "nothing runs that could hear of it",
        Wish.DISABLED: "nothing runs that could hear of it",
        Wish.REMOVED: "it is on its way out for good",
    },
    Kind.SETTINGS_RESTART: {
        Wish.RUN: Move.settings_restart,
        Wish.STOPPED: "nothing runs that could hear of it",
        Wish.DISABLED: "nothing runs that could hear of it",
        Wish.REMOVED: "it is on its way out for good",
    },
    Kind.COOKIE: _all(_ALWAYS_LOGIN, Move.cookie),
    Kind.FORGET: _all(_ALWAYS_LOGIN, Move.forget),
    Kind.REFRESH: {
        Login.FINE: Move.refresh,
        Login.HOOK_WAITING: Move.refresh,
        Login.HOOK_RUNNING: "its hook runs already",
        Login.HELD: Move.refresh,
        Login.PERSON: Move.refresh,
    },
    Kind.TURN: {
        Worker.NONE: "it does not want to start any more",
        Worker.QUEUED: Move.turn,
        Worker.STARTING: "its start was asked for already",
        Worker.LIVE: "it lives",
        Worker.STOPPING: "its worker before is not gone yet",
    },
    Kind.SPAWNED: {
        Worker.NONE: IMPOSSIBLE,
        Worker.QUEUED: IMPOSSIBLE,
        Worker.STARTING: Move.spawned,
        Worker.LIVE: IMPOSSIBLE,
        Worker.STOPPING: IMPOSSIBLE,
    },
    Kind.SPAWN_FAILED: {
        Worker.NONE: IMPOSSIBLE,
        Worker.QUEUED: IMPOSSIBLE,
        Worker.STARTING: Move.spawn_failed,
        Worker.LIVE: IMPOSSIBLE,
        Worker.STOPPING: IMPOSSIBLE,
    },
    Kind.CONNECTED: {**_NOT_LIVE, Worker.LIVE: Move.connected},
    Kind.LOST: {**_NOT_LIVE, Worker.LIVE: Move.lost},
    Kind.FAILED: {**_NOT_LIVE, Worker.LIVE: Move.fail},
    Kind.DIALS: {**_NOT_LIVE, Worker.LIVE: Move.dials},
    Kind.OUTGROWN: {**_NOT_LIVE, Worker.LIVE: Move.outgrown},
    Kind.FOREIGN: {**_NOT_LIVE, Worker.LIVE: Move.foreign},
    Kind.GONE: {
        Worker.NONE: IMPOSSIBLE,
        Worker.QUEUED: IMPOSSIBLE,
        Worker.STARTING: IMPOSSIBLE,
        Worker.LIVE: Move.gone,
        Worker.STOPPING: Move.stopped,
    },
    Kind.HOOK_STARTED: {
        Login.FINE: IMPOSSIBLE,
        Login.HOOK_WAITING: Move.hook_started,
        Login.HOOK_RUNNING: IMPOSSIBLE,
        Login.HELD: IMPOSSIBLE,
        Login.PERSON: IMPOSSIBLE,
    },
    Kind.HOOK_ENDED: {
        Login.FINE: IMPOSSIBLE,
        Login.HOOK_WAITING: Move.hook_ended,
        Login.HOOK_RUNNING: Move.hook_ended,
        Login.HELD: IMPOSSIBLE,
        Login.PERSON: IMPOSSIBLE,
    },
    Kind.GATES: _all(_ALWAYS_WORKER, Move.gates),
    Kind.TIMER: _all(_ALWAYS_WORKER, Move.ring),
}

NUMBERED: Final[Mapping[Kind, Callable[[Condition], int | None]]] = {
    Kind.SPAWNED: lambda it: it.start,
    Kind.SPAWN_FAILED: lambda it: it.start,
    Kind.HOOK_STARTED: lambda it: it.hook,
    Kind.HOOK_ENDED: lambda it: it.hook,
    Kind.TIMER: lambda it: None if it.timer is None else it.timer.number,
}
"""The number that an answer of this kind must carry."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an event."""

    condition: Condition
    actions: list[Action] = []
    ignored: str | None = None
    """Why nothing happened."""
    impossible: bool = False


def transition(it: Condition, event: Event, now: float, rules: RestartRules, luck: float) -> Result:
    """
    Return what an account's condition becomes by an event, and what is to be done.

    Args:
        it: The condition before.
        event: What happened.
        now: Monotonic seconds.
        rules: The fleet's settings.
        luck: A random number in [0, 1), from which a restart's delay is drawn.
    """
    held = NUMBERED.get(event.kind)
    if held is not None and held(it) != event.number:
        return Result(condition=it, ignored="late: its number is not held any more")
    row = TABLE[event.kind]
    entry = row[next(part for part in (it.wish, it.worker, it.login) if part in row)]
    if entry is IMPOSSIBLE:
        return Result(condition=it, impossible=True)
    if isinstance(entry, str):
        return Result(condition=it, ignored=entry)
    move = Move(it, now, rules, luck)
    entry(move, event)
    return Result(condition=move.after(), actions=move.actions)
