"""Cookies and logins of the members: from the file, from an operator, from the refresh hook. Shell."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.timestamps import rfc3339
from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.config.secrets import read_cookie_file
from xyfleet.supervisor.credentials.cookies import InvalidCookie, unb
from xyfleet.supervisor.credentials.record import OtherUser, Source
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.policy import Failed, NewCookie, NothingToChange, Result, next_allowed
from xyfleet.supervisor.login_hook.service import HookAccount, HookService
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.restart_policy import NeedsLogin, Step
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

PROXY_WAIT: Final = 60.0
"""Seconds until a hook is tried again that could not run because its account's proxy does not answer."""

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
    ) -> None:
        self._members = members
        self._store = store
        self._tokens = tokens
        self._hooks = hooks
        self._endpoint = endpoint
        self._run = run
        self._running: dict[str, asyncio.Task[None]] = {}

    # Cookies from the owner.

    def adopt(self, account: Account) -> bool:
        """Take the file's cookie if it is another than the one seen there before; return whether it was taken."""
        if account.cookie is None:
            return False
        source: Source = "cookie_file" if account.cookie_file is not None else "file"
        return self._store.adopt(account.name, account.cookie, source)

    def adopt_again(self, account: Account) -> None:
        """Take the owner's cookie for an account that is to start and of which nothing is stored any more."""
        if self._store.get(account.name).unb is not None:
            return
        if account.cookie_file is not None:
            try:
                account = msgspec.structs.replace(account, cookie=read_cookie_file(account.cookie_file))
            except BadFile as error:
                log.error("cookie not taken account=%s: %s", account.name, error)
        try:
            self.adopt(account)
        except InvalidCookie as error:
            log.error("cookie not taken account=%s: %s", account.name, error)

    def cookie_file_changed(self, member: SupervisedAccount, path: Path) -> None:
        """Take the cookie of a watched `cookie_file`, or say in the log why not."""
        try:
            cookie = read_cookie_file(path)
            problem = self._stranger(member, cookie)
            taken = problem is None and self._store.adopt(member.name, cookie, "cookie_file")
        except (BadFile, InvalidCookie) as error:
            problem, taken = Text(N_("it can't be used: %(why)s"), {"why": str(error)}), False
        if problem is not None:
            log.error("new cookie in %s not taken account=%s: %s", path, member.name, problem.say("en"))
        if taken:
            log.info("new cookie in %s account=%s", path, member.name)
            self._cookie_came(member, "new cookie in cookie_file")

    def take(self, member: SupervisedAccount, cookie: Secret) -> Text | None:
        """Take an operator's cookie; return why not, else None."""
        try:
            problem = self._stranger(member, cookie)
            if problem is None:
                self._store.replace(member.name, cookie, "login")
        except (InvalidCookie, OtherUser) as error:
            return Text(N_("the cookie can't be used: %(why)s"), {"why": str(error)})
        if problem is None:
            self.cancel(member.name)
            self._tokens.forgive(member.name)
        return problem

    def _stranger(self, member: SupervisedAccount, cookie: Secret) -> Text | None:
        """Two accounts of one user would kick each other out for ever."""
        user = unb(cookie)
        for other in self._members.values():
            if other is not member and user is not None and self._store.get(other.name).unb == user:
                return Text(N_("it is the cookie of account %(name)s"), {"name": other.name})
        return None

    def _cookie_came(self, member: SupervisedAccount, why: str) -> None:
        self.cancel(member.name)
        self._tokens.forgive(member.name)
        member.steps.new_cookie(why)

    # The refresh hook.

    def start(self, member: SupervisedAccount, cause: Cause, *, wait: bool) -> None:
        """Run the hook, when its cool-down allows (`wait`) or now or not at all, and take the ladder's next step."""
        if member.name in self._running:
            return
        if self._hooks.settings.command is None or self._store.get(member.name).needs_human:
            member.steps.take(NeedsLogin())
            return
        allowed = self._next_allowed(member)
        if allowed is None:
            self._launch(member, cause)
        elif wait:
            member.steps.wait_for_hook(allowed - time.time())
        else:
            member.steps.take(member.ladder.hook_failed(cause, needs_human=False))

    def ask(self, member: SupervisedAccount) -> Text | None:
        """Run the hook for an operator; return why not, else None. The cool-down holds for operators too."""
        if self._hooks.settings.command is None:
            return Text(N_("there is no refresh hook (refresh.command)"))
        if member.name in self._running:
            return Text(N_("its refresh hook is running already"))
        allowed = self._next_allowed(member)
        if allowed is not None:
            return Text(N_("its refresh hook may not run before %(time)s"), {"time": rfc3339(allowed)})
        self._store.get(member.name).needs_human = False
        member.steps.forgive()
        self._launch(member, member.cause)
        return None

    def cancel(self, name: str) -> None:
        """End the account's hook run: its answer is not wanted any more."""
        job = self._running.pop(name, None)
        if job is not None:
            job.cancel()

    def _next_allowed(self, member: SupervisedAccount) -> float | None:
        settings, history = self._hooks.settings, self._store.get(member.name).attempts
        return next_allowed(history, time.time(), cooldown=settings.cooldown, budget=settings.login_budget)

    def _launch(self, member: SupervisedAccount, cause: Cause) -> None:
        member.steps.cancel()
        member.steps.hooking = True
        job = self._running[member.name] = self._run(self._refresh(member, cause))
        job.add_done_callback(lambda done: self._ended(member, done))

    def _ended(self, member: SupervisedAccount, job: asyncio.Task[None]) -> None:
        """However the run ended, the account is not `refreshing` any more."""
        if self._running.get(member.name) is job:
            del self._running[member.name]
        if member.name not in self._running:
            member.steps.hooking = False
        if not job.cancelled() and job.exception() is not None:
            member.steps.take(member.ladder.hook_failed(member.cause, needs_human=False))

    async def _refresh(self, member: SupervisedAccount, cause: Cause) -> None:
        if not await self._proxy_answers(member):
            member.steps.hooking = False
            member.steps.wait_for_hook(PROXY_WAIT)
            return
        member.tell("refresh", "started", cause=cause)
        account = member.account
        asked = HookAccount(
            name=account.name,
            user_agent=account.user_agent,
            username=account.username,
            password=account.password,
            proxy=account.proxy,
        )
        result = await self._hooks.run(asked, cause, member.last.failures if member.last is not None else 0)
        del self._running[member.name]
        member.steps.hook_ended(self._follow(member, cause, result))

    async def _proxy_answers(self, member: SupervisedAccount) -> bool:
        proxy = member.account.proxy
        problem = None if proxy is None else await self._tokens.probe(self._endpoint(), proxy)
        if problem is not None:
            member.tell("refresh", "failed", reason=f"the hook waits until the account's proxy works: {problem}")
        return problem is None

    def _follow(self, member: SupervisedAccount, cause: Cause, result: Result) -> Step:
        """Store what the hook brought, and return the ladder's next step."""
        match result:
            case NewCookie(cookie):
                problem = self._stranger(member, cookie)
                if problem is not None:
                    return self._failed(member, cause, Failed(problem.say("en")))
                self._store.replace(member.name, cookie, "hook")
                member.tell("refresh", "succeeded")
            case NothingToChange():
                member.tell("refresh", "unchanged")
            case Failed():
                return self._failed(member, cause, result)
        self._tokens.forgive(member.name)
        return member.ladder.hook_succeeded()

    def _failed(self, member: SupervisedAccount, cause: Cause, result: Failed) -> Step:
        member.tell("refresh", "failed", reason=result.reason)
        if result.needs_human:
            held = self._store.get(member.name)
            held.needs_human = True
            self._store.save(member.name)
        return member.ladder.hook_failed(cause, needs_human=result.needs_human)
