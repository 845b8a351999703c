"""Which account may be its user now: none other of this fleet, and no other fleet of this machine, is him. Shell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from xyfleet.supervisor.common.paths import fleet_users_file
from xyfleet.supervisor.common.user_locks import lock_file
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.owners import Owners
from xyfleet.supervisor.supervision.user_file import UserFile
from xyfleet.worker.user_lock import UserLock


class LoginLock(UserLock):
    """A user's lock while an account logs in. `over` is called when it is let go of."""

    def __init__(self, path: str | None, over: Callable[[], None]) -> None:
        super().__init__(path)
        self._over = over

    def release(self) -> None:
        """Let go of it."""
        super().release()
        self._over()


class AccountUsers:
    """
    The users of a fleet's accounts: who has whom, their locks on this machine, the file that names them to workers.

    Args:
        locks: The folder in which fleets of this machine lock their users; None: they do not.
        endpoint: Gives the address of the service whose users they are.
    """

    def __init__(self, store: Store, state_dir: Path, locks: Path | None, endpoint: Callable[[], str]) -> None:
        self._store = store
        self._locks = locks
        self._endpoint = endpoint
        self._owners: Owners[SupervisedAccount] = Owners()
        self._logging_in: set[SupervisedAccount] = set()
        self._file = UserFile(partial(store.put_beside, fleet_users_file(state_dir)))

    def learn(self, name: str, user: str | None) -> None:
        """Learn an account's user id, as far as it is known."""
        self._file.put(name, user)

    def drop(self, member: SupervisedAccount) -> None:
        """Forget a removed account."""
        self.leave(member)
        self._file.drop(member.name)

    def take(self, member: SupervisedAccount, then: Callable[[], None]) -> None:
        """Give an account its user, and call `then`: now, or as soon as whoever has him has left him."""
        user = self._store.user(member.name)
        assert user is not None, "nobody without a login is queued"
        self._owners.take(user, member, then)

    def leave(self, member: SupervisedAccount) -> None:
        """Leave the account's user to another name."""
        self._owners.leave(member)

    def waiting(self) -> list[tuple[SupervisedAccount, SupervisedAccount]]:
        """Return who waits for his user, and who has him."""
        return self._owners.waiting()

    def lock_path(self, member: SupervisedAccount) -> str | None:
        """Return the file that locks the account's user on this machine, None if there is none."""
        user = self._store.user(member.name)
        if self._locks is None or user is None:
            return None
        return str(lock_file(self._locks, user, self._endpoint()))

    def lock_for_login(self, member: SupervisedAccount) -> UserLock | None:
        """
        Have the account's user while it logs in, as the one login of it, also while nobody knows who it is.

        None if another account, another fleet or another login of its own has him.
        """
        user = self._store.user(member.name)
        if member in self._logging_in or (user is not None and not self._owners.try_take(user, member)):
            return None
        lock = LoginLock(self.lock_path(member), partial(self._logging_in.discard, member))
        if lock.take() or (member.child is not None and lock.holder() == member.child.pid):
            self._logging_in.add(member)
            return lock
        return None
