"""Small chores every few seconds: cookie files, the control socket, a machine that slept. Shell."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final, NamedTuple

from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.common.paths import PathRefused
from xyfleet.supervisor.common.private_folders import make_private, owners, reason
from xyfleet.supervisor.common.stretches import Stretches
from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.config.secrets import read_cookie_file
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.worker.secret import Secret

EVERY: Final = 2.0

log = logging.getLogger(__name__)

Stamp = tuple[int, int, int, int]
"""What changes when a file does: inode, size, time of modification, and of change, which nobody can set back."""


class Look(NamedTuple):
    """One look at a cookie file."""

    stamp: Stamp | None
    found: Secret | BadFile | None
    """What it holds, or why it can't be used; None: the same as before."""


class Housekeeping:
    """Watches what others may change behind our back."""

    def __init__(self, fleet: Fleet, api: ApiServer) -> None:
        self._fleet = fleet
        self._api = api
        self._stamps: dict[str, Stamp | None] = {}
        self._trusted = owners(fleet.settings.path)
        self._socket_trouble: str | None = None
        """Said once, not every two seconds."""

    async def run(self) -> None:
        """Do the chores that nothing holds up for ever."""
        while True:
            await self._keep_socket()
            self._fleet.tidy()
            await asyncio.sleep(EVERY)

    async def watch_cookie_files(self) -> None:
        """Look for ever; a file on a share whose server is gone holds up all others, but no other chore."""
        while True:
            await self.look_at_cookie_files()
            await asyncio.sleep(EVERY)

    async def look_at_cookie_files(self) -> None:
        """
        Take new cookies from the `cookie_file`s that changed since the look before.

        The first look at a file takes it for changed: it may have been written since the settings were read.
        """
        members = self._fleet.members
        self._stamps = {name: stamp for name, stamp in self._stamps.items() if name in members}
        paths = {name: path for name, each in members.items() if (path := each.account.cookie_file) is not None}
        if not paths:
            return
        known = dict(self._stamps)
        # Beside the loop, the reading too: one of them may lie on a share whose server goes at any moment.
        looks = await asyncio.to_thread(lambda: {name: _look(path, known.get(name)) for name, path in paths.items()})
        stretches = Stretches()
        for name, look in looks.items():
            member = members.get(name)
            if member is not None and member.account.cookie_file == paths[name]:
                self._take(member, paths[name], look)
            await stretches.pause()

    def _take(self, member: SupervisedAccount, path: Path, look: Look) -> None:
        self._stamps[member.name] = look.stamp
        if look.found is not None:
            self._fleet.logins.cookie_file_changed(member, path, look.found)

    async def _keep_socket(self) -> None:
        try:
            if not self._api.is_there():
                make_private(self._api.path.parent, self._trusted)
                await self._api.ensure()
                log.warning("the control socket was removed; it is there again")
        except PathRefused as refusal:
            trouble = str(refusal)
        except OSError as error:
            trouble = reason(error)
        else:
            self._socket_trouble = None
            return
        if trouble != self._socket_trouble:
            log.error("the control socket can't be made: %s", trouble)
        self._socket_trouble = trouble


def _look(path: Path, known: Stamp | None) -> Look:
    stamp = _stamp(path)
    if stamp is None or stamp == known:
        return Look(stamp, None)
    try:
        return Look(stamp, read_cookie_file(path))
    except BadFile as error:
        return Look(stamp, error)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
