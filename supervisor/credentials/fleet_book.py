"""What is kept of the fleet as a whole, as it is now and on disk: `fleet.json`. Shell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from xyfleet.supervisor.common.paths import fleet_file
from xyfleet.supervisor.credentials.fleet_document import FleetDocument, KeptOutage, Stopped
from xyfleet.supervisor.credentials.state_files import StateFiles


class FleetBook:
    """Reads and changes it. All methods are called in the event loop's thread."""

    def __init__(self, files: StateFiles, state_dir: Path) -> None:
        self._files = files
        self._path = fleet_file(state_dir)
        self._document: FleetDocument | None = None
        self._holders: dict[str, str] = {}
        """Users and their names: `FleetDocument.names` the other way round."""

    def load(self) -> None:
        """Read it; nothing else may be asked before. Raises `StateRefused`."""
        found = self._files.read(self._path, msgspec.json.Decoder(FleetDocument).decode)
        self._take(found or FleetDocument())

    @property
    def now(self) -> FleetDocument:
        """What is kept."""
        assert self._document is not None, "load() comes first"
        return self._document

    def holder(self, unb: str) -> str | None:
        """Return the account that is this user."""
        return self._holders.get(unb)

    def give(self, users: Mapping[str, str]) -> None:
        """Give users to names."""
        if users:
            self._keep(self.now.with_users(users))

    def erase(self, name: str) -> None:
        """Forget who an account is, and an operator's stop."""
        self._keep(self.now.without(name))

    def stopped(self, name: str) -> Stopped | None:
        """Return who stopped an account and when, None when it should run."""
        return self.now.stopped.get(name)

    def set_stopped(self, names: Iterable[str], by: str, at: float) -> None:
        """Keep accounts stopped from now on, across restarts of the supervisor too."""
        self._keep(self.now.with_stops(dict.fromkeys(names, Stopped(by=by, at=at))))

    def set_running(self, names: Iterable[str]) -> None:
        """Forget an operator's stop."""
        self._keep(self.now.without_stops(names))

    def forget_stops(self) -> None:
        """Let every account run again (`start --fresh`)."""
        self.set_running(list(self.now.stopped))

    def keep_outages(self, outages: list[KeptOutage], went_ahead: list[str]) -> None:
        """Remember the outages that go on, and only them, and who has been a canary."""
        self._keep(self.now.but(outages=outages, went_ahead=went_ahead))

    async def saved(self) -> bool:
        """Wait until it is on disk as it is now; False when the disk refuses."""
        return await self._files.saved(self._path)

    def _take(self, document: FleetDocument) -> None:
        self._document = document
        self._holders = {unb: name for name, unb in document.names.items()}

    def _keep(self, document: FleetDocument) -> None:
        if document != self.now:
            self._take(document)
            self._files.put(self._path, document)
