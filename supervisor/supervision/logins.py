"""Cookies and logins of the members: from the file, from an operator, from the refresh hook. Shell."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.timestamps import rfc3339
from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.credentials.cookies import InvalidCookie, checked, doubt, fingerprint, unb
from xyfleet.supervisor.credentials.record import OtherUser, Source
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.identity import Identity, raw
from xyfleet.supervisor.login_hook.policy import Failed, NewCookie, NothingToChange, Result, next_allowed
from xyfleet.supervisor.login_hook.request import HookAccount
from xyfleet.supervisor.login_hook.service import HookService, WayChanged
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, HookEnd, Kind
from xyfleet.supervisor.supervision.account_state import Login
from xyfleet.supervisor.supervision.cookie_files import CookieFiles
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.user_lock import UserLock

OTHERS_USER: Final = 60.0
"""Seconds until a hook is asked for again whose account's user somebody else has."""

log = logging.getLogger(__name__)


class Logins:
    """Decides whose cookie counts and when the hook runs; one run per account at a time."""

    def __init__(
        self,
        members: Mapping[str, SupervisedAccount],
        store: Store,
        tokens: TokenService,
        hooks: HookService,
        endpoint: Callable[[], str],
        run: Callable[..., asyncio.Task[None]],
        up_to_date: Callable[[SupervisedAccount], None],
        pass_doubt: Callable[[SupervisedAccount], Awaitable[None]],
        user_lock: Callable[[SupervisedAccount], UserLock | None],
    ) -> None:
        self._members = members
        self._store = store
        self._tokens = tokens
        self._hooks = hooks
        self._endpoint = endpoint
        self._run = run
        self._up_to_date = up_to_date
        """Tells an account how its gates stand, which may end its hook's run before it begins."""
        self._pass_doubt = pass_doubt
        """Waits until it is clear whether an account's dead login is everybody's."""
        self._user_lock = user_lock
        """Gives the lock of an account's user, None if somebody else has it."""
        self._running: dict[str, asyncio.Task[None]] = {}
        self.files = CookieFiles()

    # Cookies from the owner.

    def adopt(self, account: Account) -> bool:
        """Take the file's cookie if it is another than the one seen there before; return whether it was taken."""
        self._store.pin(account.name, account.identity)
        cookie, held = account.cookie, self._store.get(account.name)
        if cookie is None or fingerprint(cookie) == held.file_fingerprint:
            return False
        source: Source = "file"
        if account.cookie_file is not None:
            cookie, source = self.files.newest(account, cookie), "cookie_file"
        return self._store.adopt(account.name, cookie, source, account.next_identity())

    def adopt_again(self, member: SupervisedAccount) -> None:
        """Take the owner's cookie for an account that is to start and of which nothing is stored any more."""
        account = member.account
        if self._store.get(account.name).unb is not None:
            return
        try:
            problem = None if account.cookie is None else self._stranger(member, account.cookie)
            if problem is not None:
                log.error("cookie not taken account=%s: %s", account.name, problem.say("en"))
            elif self.adopt(account):
                member.happened(Event(kind=Kind.COOKIE, why="file_cookie"))
        except InvalidCookie as error:
            log.error("cookie not taken account=%s: %s", account.name, error)

    def cookie_file_changed(self, member: SupervisedAccount, path: Path, found: Secret | BadFile) -> None:
        """Take the cookie that a watched `cookie_file` holds now, or say in the log why not."""
        if isinstance(found, BadFile):
            problem: Text | None = Text(N_("it can't be used: %(why)s"), {"why": str(found)})
        else:
            self.files.found(member.name, path, found, time.monotonic())
            problem = self._take_file(member, path, found)
        if problem is not None:
            log.error("new cookie in %s not taken account=%s: %s", path, member.name, problem.say("en"))

    def _take_file(self, member: SupervisedAccount, path: Path, cookie: Secret) -> Text | None:
        """Take a file's cookie if it is a new one; return why it can't be taken, else None."""
        problem = self._stranger(member, cookie)
        if problem is not None:
            return problem
        try:
            taken = self._store.adopt(member.name, cookie, "cookie_file", member.account.next_identity())
        except OtherUser as error:
            return error.text
        except InvalidCookie as error:
            return Text(N_("it can't be used: %(why)s"), {"why": str(error)})
        if taken:
            log.info("new cookie in %s account=%s", path, member.name)
            _warn(member.name, cookie)
            member.happened(Event(kind=Kind.COOKIE, why="cookie_file"))
        return None

    def take(self, member: SupervisedAccount, cookie: Secret, identity: Identity | None = None) -> Text | None:
        """Take an operator's cookie, with the browser of it if he names one; return why not, else None."""
        try:
            plain = checked(cookie)
            problem = self._stranger(member, plain)
            if problem is None:
                self._store.replace(member.name, plain, "login", identity or member.account.next_identity())
        except InvalidCookie as error:
            return Text(N_("the cookie can't be used: %(why)s"), {"why": error.text})
        except OtherUser as error:
            return Text(N_("the cookie can't be used: %(why)s"), {"why": error.text})
        return problem

    def doubt(self, member: SupervisedAccount) -> Text | None:
        """Return what is probably wrong with an account's cookie, else None."""
        cookie = self._store.get(member.name).cookie
        return None if cookie is None else doubt(cookie)

    def _stranger(self, member: SupervisedAccount, cookie: Secret) -> Text | None:
        """Two accounts of one user would kick each other out for ever."""
        user = unb(cookie)
        holder = None if user is None else self._store.holder(user)
        if holder in (None, member.name) or holder not in self._members:
            return None
        return Text(N_("it is the cookie of account %(name)s"), {"name": holder})

    # The login hook.

    def ask(self, member: SupervisedAccount, number: int, cause: Cause) -> None:
        """Have the hook run for an account; the answer comes as HOOK_ENDED with this number, whatever happens."""
        self.cancel(member.name)
        job = self._running[member.name] = self._run(self._refresh(member, number, cause))
        job.add_done_callback(lambda done: self._job_ended(member, number, done))

    def refusal(self, member: SupervisedAccount) -> Text | None:
        """Return why an operator may not have the hook run now, else None. The cool-down holds for operators too."""
        if self._hooks.settings.command is None:
            return Text(N_("there is no refresh hook (refresh.command)"))
        if member.condition.login is Login.HOOK_RUNNING:
            return Text(N_("its refresh hook is running already"))
        allowed = self._next_allowed(member)
        if allowed is not None:
            return Text(N_("its refresh hook may not run before %(time)s"), {"time": rfc3339(allowed)})
        return None

    def cancel(self, name: str) -> None:
        """End the account's hook run: its answer is not wanted any more."""
        job = self._running.pop(name, None)
        if job is not None:
            job.cancel()

    def _next_allowed(self, member: SupervisedAccount) -> float | None:
        settings, now = self._hooks.settings, time.time()
        history = self._store.up_to(self._store.key(member.name), now).attempts
        return next_allowed(history, now, cooldown=settings.cooldown, budget=settings.login_budget)

    def _wait(self, member: SupervisedAccount) -> float:
        allowed = self._next_allowed(member)
        return 0.0 if allowed is None else allowed - time.time()

    def _job_ended(self, member: SupervisedAccount, number: int, job: asyncio.Task[None]) -> None:
        """A fault in the job is an answer too."""
        if self._running.get(member.name) is job:
            del self._running[member.name]
        if not job.cancelled() and job.exception() is not None:
            reason = Reason("fault_in_supervisor", {"words": type(job.exception()).__name__})
            self._answer(member, number, "failed", reason)

    def _answer(
        self, member: SupervisedAccount, number: int, end: HookEnd, reason: Reason | None = None, wait: float = 0.0
    ) -> None:
        wait = max(wait, self._wait(member))
        member.happened(Event(kind=Kind.HOOK_ENDED, number=number, end=end, reason=reason, wait=wait))

    async def _refresh(self, member: SupervisedAccount, number: int, cause: Cause) -> None:
        await asyncio.sleep(0)  # the answer must not come before the question is out
        await self._pass_doubt(member)
        self._up_to_date(member)
        if member.condition.hook != number:
            return
        if self._next_allowed(member) is not None:
            self._answer(member, number, "not_allowed", Reason("not_allowed"))
            return
        if self._store.user(member.name) is None and member.account.username is None:
            self._answer(member, number, "person", Reason("no_first_login"))  # the hook would not know whom to log in
            return
        lock = self._user_lock(member)
        if lock is None:
            self._answer(member, number, "not_allowed", Reason("user_held"), wait=OTHERS_USER)
            return
        try:
            result = await self._probed_run(member, number, cause)
        finally:
            lock.release()
        if result is not None and member.condition.hook == number:
            self._follow(member, number, result)

    async def _probed_run(self, member: SupervisedAccount, number: int, cause: Cause) -> Result | None:
        """Run the hook by a way that answers; None: it does not, and that was answered."""

        def started() -> None:
            member.happened(Event(kind=Kind.HOOK_STARTED, number=number))

        failures = member.last.failures if member.last is not None else 0
        while True:
            way = member.account.proxy
            problem = None if way is None else await self._tokens.probe(self._endpoint(), way)
            if problem is not None:
                self._answer(member, number, "proxy", Reason("hook_waits_for_proxy", {"of": problem}))
                return None
            same_way = partial(_goes, member, way)
            try:
                return await self._hooks.run(_told(member), cause, failures, started, partial(_told, member), same_way)
            except WayChanged:
                continue

    def _follow(self, member: SupervisedAccount, number: int, result: Result) -> None:
        """Store what the hook brought, and tell the account's condition."""
        match result:
            case NewCookie(cookie, agent):
                problem = self._stranger(member, cookie)
                if problem is not None:
                    self._answer(
                        member, number, "failed", Reason("hook_others_cookie", {"name": str(problem.values["name"])})
                    )
                    return
                self._store.replace(member.name, cookie, "hook", raw(agent or "") or member.account.next_identity())
                _warn(member.name, cookie)
                self._answer(member, number, "new")
            case NothingToChange():
                self._answer(member, number, "unchanged")
            case Failed(reason, _, needs_human):
                self._answer(member, number, "person" if needs_human else "failed", reason)
                held = self._store.get(member.name)
                human = member.condition.login is Login.PERSON
                self._store.put(self._store.key(member.name), held.but(needs_human=human))


def _goes(member: SupervisedAccount, way: Secret | None) -> bool:
    """Say whether an account goes this way still."""
    return member.account.proxy == way


def _told(member: SupervisedAccount) -> HookAccount:
    """Return what the hook is told of an account as it is now."""
    account = member.account
    return HookAccount(
        name=account.name,
        user_agent=account.next_identity().user_agent,
        username=account.username,
        password=account.password,
        proxy=account.proxy,
    )


def _warn(name: str, cookie: Secret) -> None:
    doubtful = doubt(cookie)
    if doubtful is not None:
        log.warning("new cookie account=%s: %s", name, doubtful.say("en"))
