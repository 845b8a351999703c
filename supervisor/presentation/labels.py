"""States and causes in words that a newcomer understands. Pure."""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor.common.i18n import N_, tr
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.states import State

STATES: Final[dict[str, str]] = {
    State.DISCONNECTED: N_("DISCONNECTED"),
    State.CONNECTING: N_("CONNECTING"),
    State.CONNECTED: N_("CONNECTED"),
    State.RECONNECTING: N_("RECONNECTING"),
    State.FAILED: N_("FAILED"),
    State.CLOSED: N_("CLOSED"),
}
"""The connection states keep their names in English; a translation has the name and its meaning."""

PROCESSES: Final[dict[str, str]] = {
    Process.STARTING: N_("starting"),
    Process.RUNNING: N_("running"),
    Process.WAITING: N_("waiting"),
    Process.STOPPING: N_("stopping"),
    Process.BACKOFF: N_("waiting to restart"),
    Process.REFRESHING: N_("logging in"),
    Process.QUARANTINED: N_("quarantined"),
    Process.NEEDS_LOGIN: N_("needs login"),
    Process.STOPPED: N_("stopped"),
    Process.DISABLED: N_("disabled"),
}

CAUSES: Final[dict[str, str]] = {
    Cause.CLOSED: N_("closed by the server"),
    Cause.RIVAL: N_("the account is logged in elsewhere"),
    Cause.HEARTBEAT: N_("heartbeats stay unanswered"),
    Cause.NETWORK: N_("server not reachable"),
    Cause.PROTOCOL: N_("unreadable answer"),
    Cause.LIMIT: N_("too many connections"),
    Cause.AUTH: N_("login expired"),
    Cause.REFUSED: N_("token refused"),
    Cause.REMOVED: N_("session ended from elsewhere"),
    Cause.RISK: N_("risk control"),
    Cause.PLATFORM: N_("the platform answers with an error, or something unknown"),
    Cause.BUG: N_("fault in xyfleet"),
    Cause.STORAGE: N_("messages can't be stored"),
}


def state_words(state: State, language: str) -> str:
    """Return a state's name, with its meaning where the language is not the name's."""
    return tr(language, STATES[state])


def process_words(process: Process, language: str) -> str:
    """Return the supervisor's state of an account in words."""
    return tr(language, PROCESSES[process])


def cause_words(cause: str | None, language: str) -> str:
    """Return a cause in words; one of a newer version as it is."""
    if cause is None:
        return tr(language, N_("no cause given"))
    return tr(language, CAUSES.get(cause, cause))
