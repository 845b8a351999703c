"""What each worker is told of its account as it is now: of its settings, its user and its messages. Shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xyfleet.supervisor.config.log_budget import log_bytes
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.settings import Settings
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_users import AccountUsers
from xyfleet.supervisor.workers.worker_config import Gateway, log_settings, mail_settings, worker_settings
from xyfleet.worker.settings import WorkerSettings


class WorkerBriefs:
    """
    Puts them together.

    Args:
        known_row: Gives the number of an account's last message that the fleet's feed has.
    """

    def __init__(
        self,
        store: Store,
        users: AccountUsers,
        known_row: Callable[[str], int],
        webhook_socket: Path,
        *,
        verbose: bool,
    ) -> None:
        self._store = store
        self._users = users
        self._known_row = known_row
        self._webhook_socket = webhook_socket
        self._verbose = verbose

    def settings(self, member: SupervisedAccount, settings: Settings, gateway: Gateway) -> WorkerSettings:
        """Return a worker's settings; the account's user and device must be known by now."""
        account, held = member.account, self._store.get(member.name)
        self._users.learn(member.name, held.unb)
        return worker_settings(
            account,
            held,
            gateway,
            settings.fleet.hang_timeout,
            log_settings(settings.fleet, log_bytes(settings).per_file, self._verbose),
            mail_settings(
                settings,
                account,
                self._store.inbox(member.name),
                held.since,
                self._known_row(member.name),
                self._webhook_socket,
            ),
            self._users.lock_path(member),
        )
