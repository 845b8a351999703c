"""Events as sentences that a newcomer understands. Pure."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final

from xyfleet.supervisor.common.event_log import Event
from xyfleet.supervisor.common.i18n import N_, tr
from xyfleet.supervisor.common.timestamps import clock
from xyfleet.supervisor.presentation.labels import cause_words
from xyfleet.supervisor.presentation.reason_text import reason_words
from xyfleet.supervisor.presentation.terminal import printable
from xyfleet.worker.states import State

WHY_RESTART: Final[dict[str, str]] = {
    "exit": N_("it ended unexpectedly"),
    "hang": N_("it gave no sign of life"),
    "failed": N_("its connection stays FAILED"),
    "memory": N_("it uses too much memory"),
    "garbage": N_("it sent nonsense"),
    "settings": N_("its settings changed"),
    "operator": N_("asked for by an operator"),
    "fault": N_("xyfleet had a fault in something of this account; its log has it"),
    "forkserver": N_("the process that starts workers died"),
}
"""The values of an event's `why`."""

_LOST: Final[dict[str, str]] = {
    State.CONNECTED: N_("connection lost: %(cause)s"),
    State.CONNECTING: N_("could not connect: %(cause)s"),
    State.FAILED: N_("trying once more"),
}
_ANEW: Final = N_("the connection is made anew")
"""Nothing was wrong: a new cookie, or somebody asked for it."""
_STATE: Final[dict[str, str]] = {
    State.DISCONNECTED: N_("not connected"),
    State.CONNECTING: N_("connecting"),
    State.CONNECTED: N_("connected"),
    State.RECONNECTING: N_("reconnecting: %(cause)s"),
    State.FAILED: N_("FAILED, gives up dialling: %(cause)s"),
    State.CLOSED: N_("connection closed"),
}
_BY_RESULT: Final[dict[tuple[str, str], str]] = {
    ("restart", "starting"): N_("worker restarted: %(why)s"),
    ("restart", "backoff"): N_("worker to be restarted: %(why)s"),
    ("restart", "stopped"): N_("worker ended: %(why)s"),
    ("refresh", "started"): N_("login hook started: %(cause)s"),
    ("refresh", "succeeded"): N_("login hook brought a new cookie"),
    ("refresh", "unchanged"): N_("login hook has nothing new; trying again"),
    ("refresh", "failed"): N_("login hook failed"),
    ("refresh", "needs_login"): N_("a person has to log in: %(cause)s"),
    ("quarantine", "quarantined"): N_("quarantined, its worker ended too often"),
    ("quarantine", "released"): N_("no longer quarantined"),
    ("outage", "begun"): N_("OUTAGE, %(accounts)s accounts: %(cause)s; logins and restarts are held back"),
    ("outage", "canary"): N_("outage: this account tries first"),
    ("outage", "over"): N_("outage over, all go on"),
    ("reload", "done"): N_("file read again: %(counts)s"),
    ("reload", "refused"): N_("new file refused, all stays as it was"),
    ("operator", "stop"): N_("stopped by %(by)s"),
    ("operator", "restart"): N_("restart asked for by %(by)s"),
    ("operator", "reconnect"): N_("reconnect asked for by %(by)s"),
    ("operator", "refresh"): N_("login asked for by %(by)s"),
    ("operator", "login"): N_("new cookie from %(by)s"),
    ("operator", "forget"): N_("all that was stored about it deleted by %(by)s"),
    ("operator", "shutdown"): N_("the whole fleet stopped by %(by)s"),
    ("message", "failed"): N_("messages that the handler did not answer: %(counts)s"),
    ("message", "trouble"): N_("messages can't be stored, none is acknowledged"),
    ("message", "inbox"): N_("the inbox needs a look"),
    ("message", "stored_again"): N_("messages are stored again"),
    ("message", "handler_trouble"): N_("the handler can't be called, accounts: %(accounts)s"),
    ("message", "handed_over"): N_("the handler has given a conversation to a person, minutes: %(counts)s"),
    ("message", "handler_alert"): N_("the handler has something for you"),
    ("message", "clock_wrong"): N_("this machine's clock is wrong: %(counts)s; messages go by the server's time"),
    ("message", "clock_right"): N_("this machine's clock is right again"),
    ("message", "login_dead"): N_("the login is dead, the connection still lives: log in before it drops"),
    ("message", "asks_check"): N_("a question to the platform was answered with a check; none is asked for now"),
    ("message", "asks_dead"): N_("a question to the platform was answered with a dead login; none is asked for now"),
    ("message", "not_shipped"): N_("an order is delivered, but not known to be marked as shipped: look in the app"),
    ("message", "login_check"): N_("the renewal of the login was answered with a check; it is renewed no more"),
    ("message", "zombie"): N_("the connection was dead though it answered: messages were missed, they are fetched"),
}
"""Kind and `to` of an event, and the sentence for it. Values: see `sentence`."""

RESULTS: Final = frozenset(_BY_RESULT)
"""The pairs of kind and `to` that events of kinds other than `state` may have."""

_COUNTS: Final = {
    "added": N_("%(n)d added"),
    "removed": N_("%(n)d removed"),
    "restarted": N_("%(n)d restarted"),
    "applied": N_("%(n)d changed without a restart"),
    "renewed": N_("%(n)d handlers loaded anew"),
    "unfinished": N_("%(n)d left to the next reload"),
    "minutes": N_("%(n)d"),
    "new": N_("%(n)d new"),
    "dead": N_("%(n)d in all"),
    "ahead": N_("%(n)d s ahead of the server's"),
    "behind": N_("%(n)d s behind the server's"),
}


def sentence(event: Event, language: str) -> str:
    """Return what happened, without time and account: a sentence, the technical reason in brackets."""
    if event.kind == "message" and event.new is None:
        return event.reason or ""
    text = tr(language, _template(event)) % {
        "cause": cause_words(event.cause, language),
        "why": tr(language, WHY_RESTART.get(event.why or "", event.why or N_("no cause given"))),
        "by": event.by or tr(language, N_("an operator")),
        "accounts": event.accounts if event.accounts is not None else "?",
        "counts": _counts(event.counts or {}, language),
    }
    reason = event.reason if event.because is None else reason_words(event.because, language)
    return f"{text} ({reason})" if reason else text


def _template(event: Event) -> str:
    new = event.new or ""
    if event.kind == "state":
        if (event.old, new, event.cause) == (State.CONNECTED, State.RECONNECTING, None):
            return _ANEW
        known = _LOST.get(event.old or "") if new == State.RECONNECTING else None
        known = known or _STATE.get(new)
    else:
        known = _BY_RESULT.get((event.kind, new))
    return known or f"{event.kind} {new}".replace("%", "%%")  # of a newer version


def _counts(counts: dict[str, int], language: str) -> str:
    parts = [tr(language, text) % {"n": counts[key]} for key, text in _COUNTS.items() if counts.get(key)]
    return ", ".join(parts) or tr(language, N_("nothing changed"))


def line(event: Event, language: str, where: tzinfo | None, now: datetime) -> str:
    """Return one line: local time, account with its label, what happened, when it goes on."""
    who = event.account or tr(language, N_("fleet"))
    if event.label and event.label != who:
        who = f"{who} ({event.label})"
    text = f"{clock(event.time, where, now)}  {who}  {sentence(event, language)}"
    if event.next_attempt:
        again = tr(language, N_("next attempt %(time)s")) % {"time": clock(event.next_attempt, where, now)}
        text = f"{text}; {again}"
    return printable(text)
