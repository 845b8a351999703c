"""The connection's states and the only table that moves them. Pure.

Source: the state diagram of the seed's 心跳机制配置, plus a way to CLOSED from every state (docs/heartbeat.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an account's connection stands."""

    DISCONNECTED = "DISCONNECTED"
    CONNECTING = "CONNECTING"
    CONNECTED = "CONNECTED"
    RECONNECTING = "RECONNECTING"
    FAILED = "FAILED"
    CLOSED = "CLOSED"


class Event(StrEnum):
    """What moves a state."""

    DIAL = "dial"
    """An attempt begins."""
    REGISTERED = "registered"
    """The answer to `/reg` came."""
    LOST = "lost"
    """An attempt failed or a connection ended."""
    EXHAUSTED = "exhausted"
    """No further attempt by itself: too many failures, or a cause that a dial can't help."""
    REVIVED = "revived"
    """The supervisor says: try again."""
    STOPPED = "stopped"
    """We are leaving."""


_S, _E = State, Event

TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = {
    _S.DISCONNECTED: {_E.DIAL: _S.CONNECTING, _E.STOPPED: _S.CLOSED},
    _S.CONNECTING: {_E.REGISTERED: _S.CONNECTED, _E.LOST: _S.RECONNECTING, _E.STOPPED: _S.CLOSED},
    _S.CONNECTED: {_E.LOST: _S.RECONNECTING, _E.STOPPED: _S.CLOSED},
    _S.RECONNECTING: {_E.DIAL: _S.CONNECTING, _E.EXHAUSTED: _S.FAILED, _E.STOPPED: _S.CLOSED},
    _S.FAILED: {_E.REVIVED: _S.RECONNECTING, _E.STOPPED: _S.CLOSED},
    _S.CLOSED: {},
}


class IllegalTransition(Exception):
    """An event came in a state that has no such way out: a bug, never the network's doing."""

    def __init__(self, state: State, event: Event) -> None:
        self.state = state
        self.event = event
        super().__init__(state, event)

    def __str__(self) -> str:
        return f"no transition for event {self.event.value!r} in state {self.state.value}"


def step(state: State, event: Event) -> State:
    """Return the state that `event` leads to from `state`, or raise `IllegalTransition`."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(state, event) from None
