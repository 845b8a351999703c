"""What a worker is told at its start: the fleet's and its account's settings, without a cookie. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from xyfleet.supervisor.common.paths import fleet_users_file, handler_packages
from xyfleet.supervisor.credentials.record import Credentials, shown
from xyfleet.supervisor.settings import Account, Fleet, Settings
from xyfleet.worker.ready_rules import ReadyRules
from xyfleet.worker.settings import LogSettings, MailSettings, WorkerSettings

REPORTS: float = 4.0
"""Signs of life per `hang_timeout`."""


class Gateway(NamedTuple):
    """Where the service is: the real one's addresses, or the built-in gateway's."""

    endpoint: str
    token_url: str
    ca_file: str | None


def gateway_of(fleet: Fleet) -> Gateway:
    """Return the addresses that the file gives."""
    return Gateway(fleet.endpoint, fleet.token_url, None if fleet.ca_file is None else str(fleet.ca_file))


def log_settings(fleet: Fleet, max_bytes: int, verbose: bool) -> LogSettings:
    """Return a worker's log settings; `max_bytes` is what one file may grow to in this fleet."""
    log = fleet.log
    return LogSettings(
        dir=None if log.dir is None else str(log.dir),
        format=log.format,
        max_bytes=max_bytes,
        backups=log.backups,
        beats=log.beats,
        verbose=verbose,
    )


def mail_settings(
    settings: Settings, account: Account, inbox: Path, since: int, known_row: int, webhook_socket: Path
) -> MailSettings:
    """Return what a worker does with messages. A webhook's address and key stay here: the worker gets a socket."""
    return MailSettings(
        file=str(inbox),
        since=since,
        known_row=known_row,
        handler=account.handler,
        handler_path=str(settings.path.parent),
        handler_packages=str(handler_packages(settings.fleet.state_dir)),
        handler_env=account.handler_env,
        ready=_ready(account, inbox),
        webhook=None if account.webhook is None else str(webhook_socket),
        fleet=settings.fleet.name,
        label=account.label,
        users=str(fleet_users_file(settings.fleet.state_dir)),
        **msgspec.structs.asdict(account.mail),
    )


def _ready(account: Account, inbox: Path) -> ReadyRules | None:
    """Return what ready handlers go by; what they remember of this user lies beside his inbox, and goes with it."""
    if account.ready is None:
        return None
    return msgspec.structs.replace(account.ready, memory=f"{inbox}-once")


def worker_settings(
    account: Account,
    held: Credentials,
    gateway: Gateway,
    hang_timeout: float,
    log: LogSettings,
    mail: MailSettings,
    user_lock: str | None = None,
) -> WorkerSettings:
    """Return the settings of one account's worker; its user and device must be known by now."""
    assert held.unb is not None
    assert held.device_id is not None
    identity = shown(held, account.identity)
    return WorkerSettings(
        account=account.name,
        unb=held.unb,
        device_id=held.device_id,
        endpoint=gateway.endpoint,
        user_agent=identity.user_agent,
        language=identity.language,
        proxy=account.proxy,
        ca_file=gateway.ca_file,
        cycle=account.cycle,
        log=log,
        mail=mail,
        user_lock=user_lock,
        report_interval=hang_timeout / REPORTS,
    )
