"""Builds what `status` shows of one account from what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from xyfleet.supervisor.common.browser_names import browser_name
from xyfleet.supervisor.common.timestamps import rfc3339
from xyfleet.supervisor.control.status_schema import (
    AccountView,
    HeartbeatView,
    HourView,
    LoginView,
    MessagesView,
    OutageView,
    ReconnectView,
    RefreshView,
    RttView,
)
from xyfleet.supervisor.credentials.browser_changes import next_browser
from xyfleet.supervisor.credentials.cookies import parse
from xyfleet.supervisor.credentials.record import Credentials, shown
from xyfleet.supervisor.login_hook.policy import left_today, next_allowed
from xyfleet.supervisor.passport.pages import expiries
from xyfleet.supervisor.settings import Refresh
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Login, Process, Wish
from xyfleet.supervisor.supervision.outage_values import Group, Outage
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.figures import HeartbeatFigures, HourFigures, MailFigures
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import State


def account_view(
    member: SupervisedAccount,
    refresh: RefreshView,
    held: Credentials,
    waits: Reason | None = None,
    *,
    drift: dict[str, int],
) -> AccountView:
    """Return the view of one account that `waits` for something now; the API adds the advice."""
    account, last, live = member.account, member.last, member.report
    up = member.state is State.CONNECTED
    alone = member.condition.login in (Login.PERSON, Login.HELD)
    cause = None if up else last.cause if last is not None else member.condition.cause if alone else None
    why = None if up or last is None else last.reason
    window = last.window if last is not None else HeartbeatFigures()
    return AccountView(
        name=account.name,
        label=account.label,
        tags=account.tags,
        state=member.state,
        process=Process.WAITING if waits is not None and member.process in _GOES_ON else member.process,
        pid=member.child.pid if member.child is not None else None,
        generation=live.generation if live is not None else 0,
        since=rfc3339(member.since) or "",
        cause=cause,
        reason=None if why is None else str(why),
        advice=None,
        failures=last.failures if last is not None else 0,
        restarts=member.restarts,
        next_attempt=rfc3339(member.next_attempt or (live.next_attempt if live is not None else None)),
        heartbeat=_heartbeat(window),
        reconnects=ReconnectView(
            total=window.reconnects,
            last_hour=window.reconnects_last_hour,
            by_cause=window.reconnects_by_cause,
            last_hour_by_cause=window.hour.reconnects_by_cause,
        ),
        refresh=refresh,
        cookie_source=held.source,
        memory_mib=_mib(live.memory) if live is not None else None,
        cpu_percent=member.cpu_percent,
        desired="stopped" if member.stopped_by is not None else "running",
        desired_by=member.stopped_by,
        proxied=account.proxy is not None,
        note=_words(live.note if live is not None else None),
        note_because=live.note if live is not None else None,
        messages=_NO_MESSAGES if last is None else _messages(last.mail, alive=live is not None),
        waits=waits,
        because=why,
        login=login_view(held, renewed=account.renew_login),
        drift=drift,
        browser=browser_name(shown(held, account.identity).user_agent),
        next_browser=next_browser(held, account.identity),
        to_be_shipped=len(held.wanted),
    )


_GOES_ON: Final = (Process.STARTING, Process.RUNNING)
"""Who waits for a turn meanwhile is shown as waiting."""


def what_it_waits_for(member: SupervisedAccount, turns: Mapping[str, Reason], now: float) -> Reason | None:
    """Return what keeps an account from going on `now`, of all that is waited for in the fleet (`turns`)."""
    it = member.condition
    if it.wish is not Wish.RUN or it.up:
        return None
    gated = it.reach_gate or (it.login_gate and it.waits_for == "outage")
    if gated and it.login not in (Login.PERSON, Login.HELD):
        return Reason("wait_outage")
    if it.waits_for == "cooldown" and it.timer is not None:
        return Reason("wait_hook_cooldown", {"seconds": max(0.0, it.timer.at - now)})
    if it.waits_for == "proxy":
        return Reason("wait_hook_proxy")
    return turns.get(member.name)


def states(members: Iterable[SupervisedAccount]) -> dict[str, int]:
    """Count the connection states of enabled accounts; states that nobody is in are left out."""
    counts: dict[str, int] = {}
    for member in members:
        if member.account.enabled:
            counts[member.state.value] = counts.get(member.state.value, 0) + 1
    return counts


def _heartbeat(window: HeartbeatFigures) -> HeartbeatView:
    settled = window.answered + window.expired
    return HeartbeatView(
        sent=window.sent,
        answered=window.answered,
        success_rate=_share(window.answered, settled),
        send_rate=_share(window.sent, window.due),
        rtt_ms=RttView(last=window.rtt_last, mean=window.rtt_mean, p95=window.rtt_p95),
        streak=window.streak,
        best_streak=window.best_streak,
        last_sent=rfc3339(window.last_sent),
        last_answered=rfc3339(window.last_answered),
        hour=_hour(window.hour, window.rtt_last),
    )


def _hour(hour: HourFigures, latest: float | None) -> HourView:
    return HourView(
        sent=hour.sent,
        answered=hour.answered,
        success_rate=_share(hour.answered, hour.answered + hour.expired),
        send_rate=_share(hour.sent, hour.due),
        rtt_ms=RttView(last=None if hour.rtt_mean is None else latest, mean=hour.rtt_mean, p95=hour.rtt_p95),
        best_streak=hour.best_streak,
    )


_NO_MESSAGES: Final = MessagesView()


def _messages(mail: MailFigures, *, alive: bool) -> MessagesView:
    """Return the figures of the last report; troubles are those of a live worker."""
    return MessagesView(
        stored=mail.stored,
        waiting=mail.waiting,
        dead=mail.dead,
        unsent=mail.unsent,
        recovered=mail.recovered,
        zombies=mail.zombies,
        last=rfc3339(mail.last),
        trouble=_words(mail.trouble if alive else None),
        trouble_because=mail.trouble if alive else None,
        note=_words(mail.inbox_note if alive else None),
        note_because=mail.inbox_note if alive else None,
        handler_stale=mail.handler_stale if alive else None,
        handler_trouble=_words(mail.handler_trouble if alive else None),
        handler_trouble_because=mail.handler_trouble if alive else None,
        bounded=mail.bounded if alive else None,
    )


def _words(reason: Reason | None) -> str | None:
    return None if reason is None else str(reason)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _mib(size: int | None) -> float | None:
    return None if size is None else round(size / 2**20, 1)


def refresh_view(held: Credentials, settings: Refresh, now: float) -> RefreshView:
    """Return what is shown of an account's hook runs at the wall time `now`."""
    if settings.command is None:
        return RefreshView(attempts=held.hook_runs)
    cooldown, budget = settings.cooldown, settings.login_budget
    return RefreshView(
        attempts=held.hook_runs,
        last=rfc3339(held.attempts[-1].start) if held.attempts else None,
        next_allowed=rfc3339(next_allowed(held.attempts, now, cooldown=cooldown, budget=budget)),
        left_today=left_today(held.attempts, now, budget=budget),
    )


def login_view(held: Credentials, *, renewed: bool) -> LoginView:
    """Return what is known of a login; `renewed`: whether renewals are asked for."""
    alive, state, since = held.alive, held.alive.state, held.alive.since
    if held.verdict is not None and held.verdict.cause is Cause.AUTH:
        state, since = "dead", held.verdict.at
    ends = {} if held.cookie is None else expiries(parse(held.cookie.reveal()))
    goes_on = renewed and alive.over is None and alive.next
    return LoginView(
        state=state,
        since=rfc3339(since or None),
        renewals=alive.renewals,
        last_renewal=rfc3339(alive.last or None),
        next_renewal=rfc3339(alive.next) if goes_on else None,
        over=None if alive.over is None else Reason(alive.over),
        expires={name: rfc3339(at) or "" for name, at in ends.items()},
    )


def outage_view(outage: Outage, monotonic: float, wall: float) -> OutageView:
    """Return what is shown of a trouble of many; both clocks are of now."""
    waits = outage.group is Group.LOGIN and outage.canary is None
    return OutageView(
        cause=outage.cause,
        since=rfc3339(wall - (monotonic - outage.since)) or "",
        accounts=outage.accounts,
        canary=outage.canary,
        next_canary=rfc3339(wall + outage.next_try - monotonic) if waits else None,
    )
