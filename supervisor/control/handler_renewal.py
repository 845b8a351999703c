"""Has handlers whose files changed loaded anew in their live workers; no connection is touched. Shell."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.i18n import N_, Text, said
from xyfleet.supervisor.common.paths import handler_packages
from xyfleet.supervisor.common.reason_texts import said as reason_text
from xyfleet.supervisor.handler_trials import process
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.worker.ipc.messages import HandlerRenewed

AT_ONCE: Final = 20
"""Workers that load at one time."""


class Renewed(NamedTuple):
    """What came of it."""

    names: list[str]
    warnings: list[str]
    troubled: set[str]
    """Whose old code goes on answering, as far as is known."""


async def renew(fleet: Fleet) -> Renewed:
    """
    Look at each handler in a process of its own first, once for all accounts that have it.

    One that can't be loaded, or hangs, never reaches a worker: there the old code goes on answering.
    """
    names: list[str] = []
    warnings: list[str] = []
    troubled: set[str] = set()
    for handler, members in _by_handler(fleet).items():
        account = msgspec.structs.replace(members[0].account, handler=handler)
        packages = handler_packages(fleet.settings.fleet.state_dir)
        trial = process.trial_of(account, fleet.settings.path.parent, [], packages)
        outcome = await asyncio.to_thread(process.run, trial, os.environ)
        if (trouble := outcome.result.trouble) is not None:
            text = N_("the handler %(handler)s can't be loaded, what was loaded before goes on answering: %(why)s")
            warnings.append(said(Text(text, {"handler": handler, "why": reason_text(trouble)})))
            troubled.update(member.name for member in members)
            continue
        turns = asyncio.Semaphore(AT_ONCE)
        for member, found in zip(
            members, await asyncio.gather(*(_renew(fleet, member, turns) for member in members)), strict=True
        ):
            if found is None or found.trouble is not None:
                troubled.add(member.name)
            if found is None:
                text = N_("%(name)s: its worker has not said whether it has loaded its handler anew")
                warnings.append(said(Text(text, {"name": member.name})))
            elif found.trouble is not None:
                warnings.append(f"{member.name}: {said(reason_text(found.trouble))}")
            elif found.renewed:
                names.append(member.name)
    return Renewed(names, warnings, troubled)


async def _renew(fleet: Fleet, member: SupervisedAccount, turns: asyncio.Semaphore) -> HandlerRenewed | None:
    async with turns:
        if member.child is None or member.slot.stopping:
            return HandlerRenewed(request=0, renewed=False)  # its next worker loads what lies there
        return await fleet.mail.post.renew(member.child)


def _by_handler(fleet: Fleet) -> dict[str, list[SupervisedAccount]]:
    """Return the accounts with handlers of the owner's own, by these."""
    found: dict[str, list[SupervisedAccount]] = {}
    for member in _running(fleet):
        if (handler := process.own_handlers(member.account)) is not None:
            found.setdefault(handler, []).append(member)
    return found


def _running(fleet: Fleet) -> Iterator[SupervisedAccount]:
    return (member for member in fleet.members.values() if member.child is not None and not member.slot.stopping)
