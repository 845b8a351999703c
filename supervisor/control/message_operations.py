"""What operators ask about messages: send a text, run dead letters again, forget an account. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from xyfleet.supervisor.common.errors import NotAnswered, NotPossible, NotTaken, UnknownName
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.paths import browser_profile
from xyfleet.supervisor.control.erasure import Leftovers, is_name
from xyfleet.supervisor.control.types import Forgotten, Retried
from xyfleet.supervisor.messages.requests import Delivery, SendRequest
from xyfleet.supervisor.platform_calls.service import AskRefused
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Login
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.worker.ipc.messages import Ask
from xyfleet.worker.reasons import TEXTS, Reason


class MessageOperations:
    """Does it, over the running fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.forgetting: set[str] = set()
        """Accounts whose files are being deleted: nothing else may be done to them."""

    async def send(self, member: SupervisedAccount, letter: SendRequest, wait: float) -> Delivery:
        """Send a text. Raises `NotTaken`."""
        child = member.child
        if child is None or member.slot.stopping:
            text = N_("nothing was sent: %(name)s has no worker now; xyfleet status %(name)s says why")
            raise NotTaken(Text(text, {"name": member.name}))
        inbox = self._fleet.store.inbox(member.name)
        return await self._fleet.mail.post.send(child, letter, wait, inbox)

    async def ask(self, member: SupervisedAccount, question: Ask) -> Any:
        """Ask the platform something. Raises `NotAnswered`."""
        try:
            return await self._fleet.asks.ask(member, question)
        except AskRefused as error:
            seconds = error.reason.fields.get("seconds")
            facts = {"seconds": seconds} if isinstance(seconds, int | float) else {}
            raise NotAnswered(error.reason.code.removeprefix("ask_"), _text(error.reason), **facts) from None

    async def retry(self, members: Sequence[SupervisedAccount], ids: Sequence[str]) -> Retried:
        """Give dead letters to the handlers again."""
        counts = await asyncio.gather(*(self._retry(member, list(ids)) for member in members))
        done, refused = {}, {}
        for member, count in zip(members, counts, strict=True):
            if isinstance(count, int):
                done[member.name] = count
            else:
                refused[member.name] = count
        return Retried(done, refused)

    async def _retry(self, member: SupervisedAccount, ids: list[str]) -> int | Text:
        if member.child is None or member.slot.stopping:
            return Text(N_("it has no worker now; xyfleet status %(name)s says why"), {"name": member.name})
        count = await self._fleet.mail.post.redo(member.child, ids)
        return Text(N_("its worker did not answer")) if count is None else count

    async def forget(self, name: str, by: str) -> Forgotten:
        """Delete all that is stored about an account. Raises `UnknownName` or `NotPossible`."""
        if not is_name(name):
            raise UnknownName([name])
        member = self._fleet.members.get(name)
        if member is not None:
            self._refuse_if_alive(member)
        self.forgetting.add(name)
        try:
            return await self._forget(name, member, by)
        finally:
            self.forgetting.discard(name)

    async def _forget(self, name: str, member: SupervisedAccount | None, by: str) -> Forgotten:
        fleet, settings = self._fleet, self._fleet.settings.fleet
        await fleet.let_go(name)
        inbox = fleet.store.inbox(name)
        users = {None, fleet.store.user(name)}
        profiles = [browser_profile(settings.state_dir, user, name) for user in users]
        left = Leftovers(name, inbox, settings.log.dir, fleet.members, profiles)
        deleted, trouble = await fleet.store.erase(name)
        more, other_trouble = await asyncio.to_thread(left.delete)
        await fleet.mail.hub.forget(inbox.stem)
        deleted += more
        trouble = trouble or other_trouble
        if trouble is not None:
            raise NotPossible(Text(N_("not all of it could be deleted: %(why)s"), {"why": trouble}), deleted=deleted)
        if member is not None:
            member.forgotten()
        else:
            fleet.store.forget(name)
            if not deleted:
                raise UnknownName([name])
        fleet.note_forgotten(name, by)
        return Forgotten(name=name, deleted=deleted, listed=member is not None)

    def _refuse_if_alive(self, member: SupervisedAccount) -> None:
        if member.wanted or member.child is not None:
            text = N_("%(name)s runs; stop it first: xyfleet stop %(name)s")
            raise NotPossible(Text(text, {"name": member.name}))
        if member.condition.login is Login.HOOK_RUNNING:
            text = N_("the login hook of %(name)s still runs; try again when it has ended")
            raise NotPossible(Text(text, {"name": member.name}))


def _text(reason: Reason) -> Text:
    """Return a reason as a sentence."""
    values = {key: _text(each) if isinstance(each, Reason) else each for key, each in reason.fields.items()}
    return Text(TEXTS[reason.code], values)
