"""Has handlers whose files changed loaded anew in their live workers; no connection is touched. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.i18n import N_, Text, said
from xyfleet.supervisor.common.paths import handler_packages
from xyfleet.supervisor.common.reason_texts import said as reason_text
from xyfleet.supervisor.handler_trials import process
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.worker.ipc.messages import HandlerRenewed
from xyfleet.worker.reasons import Reason

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
    Look at each handler whose files changed in a process of its own first, once for all accounts that have it.

    One that can't be loaded, or hangs, never reaches a worker: there the old code goes on answering.
    """
    done = Renewed([], [], set())
    members = [member for member in _running(fleet) if process.own_handlers(member.account) is not None]
    for handler, stale in _by_handler(await _changed(fleet, members, done)).items():
        if (trouble := await _trouble(fleet, handler, stale[0])) is not None:
            text = N_("the handler %(handler)s can't be loaded, what was loaded before goes on answering: %(why)s")
            done.warnings.append(said(Text(text, {"handler": handler, "why": reason_text(trouble)})))
            done.troubled.update(member.name for member in stale)
            continue
        for member, found in zip(stale, await _ask(fleet, stale), strict=True):
            _note(done, member, found)
    return done


async def _changed(fleet: Fleet, members: Sequence[SupervisedAccount], done: Renewed) -> list[SupervisedAccount]:
    """Return whose files changed; note whose worker does not say so."""
    changed: list[SupervisedAccount] = []
    unread: dict[str, float] = {}
    for member, found in zip(members, await _ask(fleet, members, only_look=True), strict=True):
        if found is None:
            _note(done, member, None)
        elif found.stale:
            changed.append(member)
        elif found.stale is None and member.child is not None:
            unread[member.name] = time.time() - (time.monotonic() - member.child.started)
    handlers = [(member, process.own_handlers(member.account) or "") for member in members if member.name in unread]
    folder = fleet.settings.path.parent
    edited = await asyncio.to_thread(
        lambda: [member for member, handler in handlers if _last_change(handler, folder) >= unread[member.name]]
    )
    return [*changed, *edited]


def _last_change(handler: str, folder: Path) -> float:
    """Return when a module that a handler names was last written or put there, in seconds since 1970; 0 = unknown."""
    found = 0.0
    for spec in handler.split(","):
        module = folder.joinpath(*spec.partition(":")[0].split("."))
        for file in (module.with_name(f"{module.name}.py"), module / "__init__.py"):
            with contextlib.suppress(OSError):
                found = max(found, file.stat().st_ctime)
    return found


async def _trouble(fleet: Fleet, handler: str, member: SupervisedAccount) -> Reason | None:
    """Return why a handler can't be loaded in a process of its own."""
    account = msgspec.structs.replace(member.account, handler=handler)
    packages = handler_packages(fleet.settings.fleet.state_dir)
    trial = process.trial_of(account, fleet.settings.path.parent, [], packages)
    return (await asyncio.to_thread(process.run, trial, os.environ)).result.trouble


def _note(done: Renewed, member: SupervisedAccount, found: HandlerRenewed | None) -> None:
    """Note what came of it in one worker; None = that is not known."""
    if found is None or found.trouble is not None:
        done.troubled.add(member.name)
    if found is None:
        text = N_("%(name)s: its worker has not said whether it has loaded its handler anew")
        done.warnings.append(said(Text(text, {"name": member.name})))
    elif found.trouble is not None:
        done.warnings.append(f"{member.name}: {said(reason_text(found.trouble))}")
    elif found.renewed:
        done.names.append(member.name)


async def _ask(
    fleet: Fleet, members: Sequence[SupervisedAccount], *, only_look: bool = False
) -> list[HandlerRenewed | None]:
    """Ask their workers, some at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(member: SupervisedAccount) -> HandlerRenewed | None:
        async with turns:
            if member.child is None or member.slot.stopping:
                return HandlerRenewed(request=0, renewed=False)  # its next worker loads what lies there
            return await fleet.mail.post.renew(member.child, only_look=only_look)

    return await asyncio.gather(*map(ask, members))


def _by_handler(members: Sequence[SupervisedAccount]) -> dict[str, list[SupervisedAccount]]:
    """Return the accounts by the handlers of the owner's own that they have."""
    found: dict[str, list[SupervisedAccount]] = {}
    for member in members:
        if (handler := process.own_handlers(member.account)) is not None:
            found.setdefault(handler, []).append(member)
    return found


def _running(fleet: Fleet) -> Iterator[SupervisedAccount]:
    return (member for member in fleet.members.values() if member.child is not None and not member.slot.stopping)
