"""The fleet's status as text for people: table, summary, progress. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from xyfleet.supervisor.common.i18n import N_, tr
from xyfleet.supervisor.common.timestamps import clock, span
from xyfleet.supervisor.control.status_schema import AccountView, FleetView, OutageView, StatusView
from xyfleet.supervisor.presentation.advice import advice, down, is_well, login_advice, message_advice
from xyfleet.supervisor.presentation.labels import cause_words, process_words, state_words
from xyfleet.supervisor.presentation.reason_text import reason_words
from xyfleet.supervisor.presentation.terminal import (
    BOLD,
    GREEN,
    GREY,
    RED,
    YELLOW,
    cells,
    cut,
    draw,
    pad,
    printable,
    wrap,
)
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.states import State

SIMULATOR: Final = N_("SIMULATOR")
"""What every status of a fleet on the built-in gateway begins with."""
MAX_ACCOUNT: Final = 36
"""Most cells of the account column; labels may be of any length."""


class TableStyle(NamedTuple):
    """How a text is to look."""

    language: str
    zone: tzinfo | None = None
    """None = this machine's own."""
    colour: bool = False
    width: int | None = None
    """Cells of a line, None = as long as they get."""


_STATE_COLOUR: Final[dict[State, str]] = {
    State.CONNECTED: GREEN,
    State.CONNECTING: YELLOW,
    State.RECONNECTING: YELLOW,
    State.DISCONNECTED: YELLOW,
    State.FAILED: RED,
    State.CLOSED: GREY,
}
_RIGHT: Final = 4
"""From this column on, cells hold numbers and stand at the right."""
_HEADERS: Final = (
    N_("ACCOUNT"),
    N_("STATE"),
    N_("PROCESS"),
    N_("SINCE"),
    N_("BEATS"),
    N_("RTT ms"),
    N_("RECONNECTS/h"),
    N_("LOGINS LEFT"),
)
_GOOD_HOUR: Final = 0.95
"""Share of answered heartbeats below which an hour is worth a line of its own."""


def status(view: StatusView, look: TableStyle, now: datetime) -> list[str]:
    """Return the lines of `xyfleet status`: headline, notes, table with troubled accounts first."""
    return [*_head(view, look, now), "", *_table(view, look, now)]


def summary(view: StatusView, language: str) -> str:
    """Return one line about the whole fleet, for the foreground console."""
    missing, wanted = down(view)
    sent = sum(account.heartbeat.sent for account in view.accounts)
    answered = sum(account.heartbeat.answered for account in view.accounts)
    parts = [
        _connected(wanted - missing, wanted, language),
        tr(language, N_("heartbeats answered %(answered)d of %(sent)d")) % {"answered": answered, "sent": sent},
    ]
    if missing:
        parts.append(_states(view.fleet, language))
    if view.fleet.outage:
        parts.append(_outage_words(view.fleet.outage, language))
    return _marked(view.fleet, " · ".join(parts), language)


def progress(connected: int, wanted: int, language: str) -> str:
    """Return how far a start is: `connected 37 of 200`."""
    return _connected(connected, wanted, language)


def troubled_first(accounts: list[AccountView]) -> list[AccountView]:
    """Return the accounts by how much they need a person; equal ones in the file's order."""
    return sorted(accounts, key=_trouble)


def _trouble(account: AccountView) -> int:
    if account.process is Process.NEEDS_LOGIN:
        return 0
    if account.process is Process.QUARANTINED or account.state is State.FAILED:
        return 1
    if account.process is Process.DISABLED:
        return 6
    if account.process is Process.STOPPED:
        return 5
    if account.messages.trouble or account.messages.handler_trouble:
        return 2
    if account.state is State.CONNECTED:
        return 4
    return 2 if account.cause is not None else 3


def _head(view: StatusView, look: TableStyle, now: datetime) -> Iterator[str]:
    fleet, language = view.fleet, look.language
    missing, wanted = down(view)
    parts = [
        fleet.name,
        _connected(wanted - missing, wanted, language),
        tr(language, N_("up %(time)s")) % {"time": span(fleet.uptime, language)},
        tr(language, N_("pid %(pid)d")) % {"pid": fleet.pid},
    ]
    if fleet.states:
        parts.append(_states(fleet, language))
    yield from _paragraph(_marked(fleet, " · ".join(parts), language), BOLD, look)
    if fleet.outage:
        yield from _paragraph(_outage(fleet.outage, look, now), RED, look)
    for note in fleet.notes:
        yield from _paragraph("! " + note, YELLOW, look)


def _paragraph(text: str, colour: str, look: TableStyle, indent: str = "") -> list[str]:
    text = printable(text)
    lines = [indent + text] if look.width is None else wrap(text, look.width, indent)
    return [draw([(line, colour)], colour=look.colour, width=None) for line in lines]


def _connected(connected: int, wanted: int, language: str) -> str:
    return tr(language, N_("connected %(n)d of %(all)d")) % {"n": connected, "all": wanted}


def _states(fleet: FleetView, language: str) -> str:
    return ", ".join(f"{_state_name(name, language)} {count}" for name, count in fleet.states.items())


def _state_name(name: str, language: str) -> str:
    return state_words(State(name), language)


def _marked(fleet: FleetView, text: str, language: str) -> str:
    return f"{tr(language, SIMULATOR)} · {text}" if fleet.simulator else text


def _outage_words(outage: OutageView, language: str) -> str:
    text = tr(language, N_("OUTAGE: %(cause)s, %(accounts)d accounts"))
    return text % {"cause": cause_words(outage.cause, language), "accounts": outage.accounts}


def _outage(outage: OutageView, look: TableStyle, now: datetime) -> str:
    since = clock(outage.since, look.zone, now)
    return f"{_outage_words(outage, look.language)}; " + tr(
        look.language, N_("since %(time)s; logins and restarts are held back")
    ) % {"time": since}


def _table(view: StatusView, look: TableStyle, now: datetime) -> Iterator[str]:
    if not view.accounts:
        yield tr(look.language, N_("no accounts"))
        return
    accounts = troubled_first(view.accounts)
    headers = tuple(tr(look.language, text) for text in _HEADERS)
    rows = [_row(account, look, now) for account in accounts]
    widths = [max(map(cells, column)) for column in zip(headers, *rows, strict=True)]
    yield _line(headers, widths, BOLD, BOLD, look)
    for account, row in zip(accounts, rows, strict=True):
        off = account.process in (Process.STOPPED, Process.DISABLED)
        yield _line(row, widths, "", GREY if off else _STATE_COLOUR[account.state], look)
        yield from _remarks(account, look, now)
        if len(accounts) == 1 or _is_bad_hour(account):
            yield from _paragraph(_hour_words(account, look), "", look, "    ")
        if len(accounts) == 1:
            yield from _paragraph(_login_words(account, look, now), "", look, "    ")


def _line(row: tuple[str, ...], widths: list[int], colour: str, state_colour: str, look: TableStyle) -> str:
    padded = [pad(text, width, right=i >= _RIGHT) for i, (text, width) in enumerate(zip(row, widths, strict=True))]
    pieces = [(padded[0] + "  ", colour), (padded[1], state_colour), ("  " + "  ".join(padded[2:]), colour)]
    return draw(pieces, colour=look.colour, width=look.width)


def _row(account: AccountView, look: TableStyle, now: datetime) -> tuple[str, ...]:
    beats, rtt = account.heartbeat, account.heartbeat.rtt_ms.mean
    left = account.refresh.left_today
    who = account.name if account.label in ("", account.name) else f"{account.name} {account.label}"
    return (
        cut(printable(who), MAX_ACCOUNT),
        state_words(account.state, look.language),
        process_words(account.process, look.language),
        clock(account.since, look.zone, now),
        f"{beats.answered}/{beats.sent}",
        "-" if rtt is None else f"{rtt:.1f}",
        str(account.reconnects.last_hour),
        "-" if left is None else str(left),
    )


def _remarks(account: AccountView, look: TableStyle, now: datetime) -> Iterator[str]:
    """What stands under an account that is not well: why, what comes next, what a person should do."""
    if account.process is Process.DISABLED:
        return
    if not is_well(account):
        why = _why(account, look, now)
        if why:
            yield from _paragraph(why, "", look, "    ")
        name, browser = account.name, account.browser
        todo = advice(account.cause, account.process, name=name, language=look.language, browser=browser)
        yield from _paragraph("→ " + todo, YELLOW if account.cause else GREY, look, "    ")
    for todo in login_advice(account, look.language):
        yield from _paragraph("→ " + todo, YELLOW, look, "    ")
    for todo in message_advice(account, look.language):
        yield from _paragraph("→ " + todo, YELLOW, look, "    ")


def _is_bad_hour(account: AccountView) -> bool:
    """Say whether the last hour was worse than a life of months would show."""
    rate = account.heartbeat.hour.success_rate
    return rate is not None and rate < _GOOD_HOUR and account.state is State.CONNECTED


_LOGIN: Final = {
    "ok": N_("login: ok since %(time)s"),
    "dead": N_("login: dead since %(time)s"),
    "unknown": N_("login: nothing known of it yet"),
}


def _login_words(account: AccountView, look: TableStyle, now: datetime) -> str:
    """Return what is known of a login beside its connection; renewals where there were any or will be."""
    login = account.login
    since = clock(login.since, look.zone, now) if login.since else "-"
    parts = [tr(look.language, _LOGIN[login.state]) % {"time": since}]
    if login.last_renewal:
        text = tr(look.language, N_("renewed %(count)d times, last tried %(time)s"))
        parts.append(text % {"count": login.renewals, "time": clock(login.last_renewal, look.zone, now)})
    if login.over is not None:
        parts.append(reason_words(login.over, look.language))
    elif login.next_renewal:
        text = tr(look.language, N_("next renewal %(time)s"))
        parts.append(text % {"time": clock(login.next_renewal, look.zone, now)})
    if login.expires:
        text = tr(look.language, N_("its cookies say that they end: %(ends)s"))
        ends = (f"{name} {clock(at, look.zone, now)}" for name, at in login.expires.items())
        parts.append(text % {"ends": ", ".join(ends)})
    return "; ".join(parts)


def _hour_words(account: AccountView, look: TableStyle) -> str:
    hour = account.heartbeat.hour
    if not hour.sent:
        return ""
    text = tr(
        look.language, N_("last hour: heartbeats answered %(answered)d of %(sent)d, RTT %(rtt)s ms, 95 %% %(p95)s")
    )
    mean, p95 = ("-" if ms is None else f"{ms:.1f}" for ms in (hour.rtt_ms.mean, hour.rtt_ms.p95))
    return text % {"answered": hour.answered, "sent": hour.sent, "rtt": mean, "p95": p95}


def _why(account: AccountView, look: TableStyle, now: datetime) -> str:
    parts = []
    if account.desired == "stopped" and account.desired_by:
        parts.append(_stopped_by(account.desired_by, look, now))
    if account.cause is not None:
        words = cause_words(account.cause, look.language)
        reason = account.reason if account.because is None else reason_words(account.because, look.language)
        parts.append(f"{words} ({reason})" if reason else words)
    if account.waits is not None:
        parts.append(reason_words(account.waits, look.language))
    elif account.next_attempt:
        again = tr(look.language, N_("next attempt %(time)s"))
        parts.append(again % {"time": clock(account.next_attempt, look.zone, now)})
    return "; ".join(parts)


def _stopped_by(who_and_when: str, look: TableStyle, now: datetime) -> str:
    who, _, when = who_and_when.rpartition(" ")
    try:
        by = f"{who}, {clock(when, look.zone, now)}" if who else who_and_when
    except ValueError:  # a name with a space
        by = who_and_when
    return tr(look.language, N_("stopped by %(by)s")) % {"by": by}
