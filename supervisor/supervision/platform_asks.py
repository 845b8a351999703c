"""Answers questions to the platform for accounts: those of their workers, and the API's. Shell.

Never in an outage, under risk, or for an account that is stopped; an answer that comes after that is nobody's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from xyfleet.supervisor.common.event_log import Kind as EventKind
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.platform_calls import answers, apis
from xyfleet.supervisor.platform_calls.apis import ApiCall
from xyfleet.supervisor.platform_calls.kept_answers import KeptAnswers
from xyfleet.supervisor.platform_calls.service import Asker, AskRefused, PlatformCalls, refused
from xyfleet.supervisor.platform_calls.shipments import Shipments
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Login, Wish
from xyfleet.supervisor.supervision.jobs import Jobs
from xyfleet.supervisor.supervision.wanted_shipments import PlatformPorts, WantedShipments
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Answered, Ask
from xyfleet.worker.reasons import Reason
from xyfleet.worker.text import cut

LONGEST: Final = 100.0
"""Seconds that an answer may take in all, its turn included; a worker waits for longer."""
LARGEST: Final = 200
"""KiB of an answer."""
KEEP_ITEMS: Final = 600.0
"""Seconds for which an item's description is not asked for again."""

_EVENTS: Final = {"ask_risk": "asks_check", "ask_login": "asks_dead"}

log = logging.getLogger(__name__)


class Note(Protocol):
    """Puts an event of an account on record: its kind, what it came to, and why."""

    def __call__(self, member: SupervisedAccount, kind: EventKind, to: str, /, *, reason: Reason | None = None) -> None:
        """Do so."""


class PlatformAsks:
    """
    Asks for all accounts.

    Args:
        troubled: Whether an outage, or another login of it, holds an account's calls back now.
        note: Puts events on record.
    """

    def __init__(
        self,
        members: Mapping[str, SupervisedAccount],
        store: Store,
        tokens: TokenService,
        troubled: Callable[[SupervisedAccount], bool],
        note: Note,
        jobs: Jobs,
    ) -> None:
        self._members = members
        self._store = store
        self._troubled = troubled
        self._note = note
        self.calls = PlatformCalls(store, tokens)
        self.calls.held = self._held
        self.shipments = Shipments(self.calls)
        self.wanted = WantedShipments(
            store, self.shipments, jobs, PlatformPorts(self.ask, self._asker, self._not_shipped)
        )
        self._items = KeptAnswers(KEEP_ITEMS)

    async def answer(self, member: SupervisedAccount, child: WorkerProcess, question: Ask) -> None:
        """Answer a worker, whatever goes wrong."""
        try:
            value = await self.ask(member, question)
            found = Answered(request=question.request, value=value)
            if len(msgspec.json.encode(value)) > LARGEST * 1024:
                found = Answered(request=question.request, reason=Reason("ask_large", {"size": LARGEST}))
        except AskRefused as error:
            found = Answered(request=question.request, reason=error.reason)
        except Exception as error:
            log.exception("fault while something was asked account=%s what=%s", member.name, question.what)
            found = Answered(request=question.request, reason=Reason("ask_fault", {"words": type(error).__name__}))
        child.send(found)

    async def ask(self, member: SupervisedAccount, question: Ask) -> Any:
        """Return the answer to a question. Raises `AskRefused`."""
        asker = self._asker(member)
        try:
            async with asyncio.timeout(LONGEST):
                return await self._ask(member, asker, question)
        except TimeoutError:
            raise _late(question) from None

    async def _ask(self, member: SupervisedAccount, asker: Asker, question: Ask) -> Any:
        if question.what == "call":
            return await self._free(member, asker, question)
        if not apis.ID.fullmatch(question.id):
            raise refused("ask_bad", words="an id is a text of digits")
        match question.what:
            case "item":
                return await self._item(asker, question.id)
            case "order":
                return _known(answers.order(await self._call(asker, apis.order(question.id)), question.id))
            case "orders":
                return await self._orders(asker, int(question.id))
            case "ship" if question.later:
                if question.again:
                    raise refused("ask_bad", words="`again` and `later` do not go together")
                return await self.wanted.want(member, question.id)
            case "ship":
                return await self.shipments.ship(asker, question.id, again=question.again)

    async def _item(self, asker: Asker, number: str) -> Any:
        key = self._store.key(asker.name)
        asker.may()
        found = self._items.get((key, number))
        if found is None:
            found = _known(answers.item(await self._call(asker, apis.item(number)), number))
            self._items.put((key, number), found)
        return found

    async def _orders(self, asker: Asker, page: int) -> Any:
        """Return a page of the orders that wait for shipment; a seller without a shop has another list."""
        try:
            return _known(answers.sold(await self._call(asker, apis.sold(page))))
        except AskRefused as error:
            if page > 1 or not answers.not_permitted(str(error.reason.fields.get("words", ""))):
                raise
        return _known(answers.sold_plain(await self._call(asker, apis.sold_plain())))

    async def _free(self, member: SupervisedAccount, asker: Asker, question: Ask) -> Any:
        if question.api not in member.account.apis:
            raise refused("ask_api", words=cut(question.api))
        call = apis.free(question.api, question.version, question.data)
        if call is None:
            raise refused("ask_bad", words="api, version or data have another form")
        log.info("call account=%s api=%s", asker.name, call.api)
        return await self._call(asker, call)

    async def _call(self, asker: Asker, call: ApiCall) -> Any:
        data = await self.calls.ask(asker, call)
        asker.may()
        return data

    def _held(self, name: str, reason: Reason) -> None:
        """Tell a person that no calls are made for a while, where he can do something about it."""
        member, to = self._members.get(name), _EVENTS.get(reason.code)
        if member is not None and to is not None:
            self._note(member, "message", to)

    def _not_shipped(self, member: SupervisedAccount, reason: Reason) -> None:
        self._note(member, "message", "not_shipped", reason=reason)

    # Who may ask.

    def _asker(self, member: SupervisedAccount) -> Asker:
        may = partial(self._may, member, self._store.get(member.name).login)
        return Asker(member.name, member.account.proxy, member.account.identity, may)

    def _may(self, member: SupervisedAccount, login: int) -> None:
        """Raise `AskRefused` where no call may be made now, or where what was asked under that login is nobody's."""
        held, it = self._store.get(member.name), member.condition
        if self._members.get(member.name) is not member or it.wish is not Wish.RUN or held.login != login:
            raise refused("ask_stopped")
        if held.verdict is not None and held.verdict.cause is Cause.RISK:
            raise refused("ask_risk")
        if it.login is not Login.FINE or held.cookie is None or held.verdict is not None:
            raise refused("ask_login")
        if self._troubled(member):
            raise refused("ask_outage")


def _known(found: Any) -> Any:
    if found is None:
        raise refused("ask_strange")
    return found


def _late(question: Ask) -> AskRefused:
    """Of what may have changed something nobody knows; a shipment goes on, and is told whenever it is asked for."""
    reason = Reason("ask_late", {"seconds": LONGEST})
    return AskRefused(Reason("ask_unknown", {"words": question.id}) if question.what == "ship" else reason, sure=False)
