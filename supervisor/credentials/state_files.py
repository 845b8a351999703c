"""The files of the state folder: read with what was wrong with them, written by a thread of their own. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from xyfleet.supervisor.common import atomic_files
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.private_folders import reason
from xyfleet.supervisor.credentials import record
from xyfleet.supervisor.credentials.record import SCHEMA

T = TypeVar("T")
SAVE_WAIT: Final = 3.0
"""Seconds that anybody waits for the disk."""
_log: Final = logging.getLogger("xyfleet.store")


class StateRefused(Exception):
    """The state folder can't be used as it is; nothing in it was changed. `text` is for people."""

    def __init__(self, text: Text) -> None:
        self.text = text
        super().__init__(text.say("en"))


class _Header(msgspec.Struct):
    schema: int
    readable_by: int | None = None


class StateFiles:
    """Reads and writes versioned documents. All methods are called in the event loop's thread but `read`."""

    def __init__(self, *, retry: float = 5.0) -> None:
        self._writer = atomic_files.Writer(retry=retry)
        self._torn: dict[Path, Text] = {}

    def read(self, path: Path, decode: Callable[[bytes], T]) -> T | None:
        """Return a document as it was put last, on disk or on its way there. Raises `StateRefused`."""
        given = self._writer.given(path)
        if given is not None:
            return decode(given)
        try:
            found = atomic_files.read(path, lambda data: decoded(path, data, decode))
        except OSError as error:
            raise unreadable(path, error) from None
        if found.torn:
            self._writer.mark_torn(path)
            template = (
                N_("state file %(path)s was empty or torn; there was no good version of it, so it begins anew")
                if found.value is None
                else N_("state file %(path)s was empty or torn; the version before it is used")
            )
            self._torn[path] = Text(template, {"path": str(path)})
            _log.warning("%s", self._torn[path].say("en"))
        return found.value

    def put(self, path: Path, document: msgspec.Struct | None) -> None:
        """Have a document written soon, behind all that was put before; None: have it deleted."""
        self._writer.put(path, None if document is None else record.encode(document))

    def put_plain(self, path: Path, data: bytes) -> None:
        """Have a file that is no document written soon, and as a whole."""
        self._writer.put(path, data)

    async def saved(self, path: Path) -> bool:
        """Wait until a document is on disk as it was put last; False when the disk refuses it, or takes too long."""
        done = asyncio.wrap_future(self._writer.done(path))
        found, _ = await asyncio.wait([done], timeout=SAVE_WAIT)
        return bool(found) and done.result()

    async def remove(self, path: Path) -> tuple[list[str], str | None]:
        """Delete a document in all its versions.

        Returns the paths that are gone now, and what the system said about one that could not go.
        """
        self._torn.pop(path, None)
        return await asyncio.to_thread(self._writer.remove, path)

    def notes(self) -> list[Text]:
        """Return what a person should know: files that were torn, a disk that refuses."""
        notes = list(self._torn.values())
        if self._writer.trouble is not None:
            template = N_("state can't be saved, the fleet goes on without: %(why)s")
            notes.append(Text(template, {"why": self._writer.trouble}))
        return notes

    async def flush(self, timeout: float) -> bool:
        """Wait until everything is on disk; False when it is not."""
        return await asyncio.to_thread(self._writer.flush, timeout)

    async def close(self, timeout: float) -> bool:
        """Write what is left and end the writing thread; return whether everything is on disk."""
        return await asyncio.to_thread(self._writer.stop, timeout)


def decoded(path: Path, data: bytes, decode: Callable[[bytes], T]) -> T:
    """Return a document. Raises `StateRefused` for one of a newer xyfleet, `Unusable` for a torn one."""
    try:
        header = msgspec.json.decode(data, type=_Header)
        wanted = header.schema if header.readable_by is None else header.readable_by
        if wanted > SCHEMA:
            template = N_(
                "state file %(path)s was written by a newer xyfleet (schema %(found)d, this one knows %(known)d)"
            )
            raise StateRefused(Text(template, {"path": str(path), "found": header.schema, "known": SCHEMA}))
        return decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise atomic_files.Unusable from None


def unreadable(path: Path, error: OSError) -> StateRefused:
    """Return the refusal of a file or folder that the system does not let us use."""
    return StateRefused(Text(N_("cannot use %(path)s: %(why)s"), {"path": str(path), "why": reason(error)}))
