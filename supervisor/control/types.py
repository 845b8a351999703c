"""What the HTTP API asks of the fleet, and how the fleet refuses. Pure (a face and values).

* Refused
    * UnknownName
    * NotPossible
    * NotTaken
    * BadCookie
    * BadFile
    * Stopping
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from xyfleet.supervisor.common.event_log import EventLog
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.control.status_schema import StatusView
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.messages.followers import MessageFeed
from xyfleet.supervisor.messages.requests import Delivery, SendRequest
from xyfleet.supervisor.supervision.account_facts import Traced
from xyfleet.supervisor.supervision.drift import Shape
from xyfleet.worker.ipc.messages import Ask
from xyfleet.worker.ipc.talks import TalkAnswer, TalkQuestion
from xyfleet.worker.secret import Secret

Action = Literal["stop", "restart", "reconnect", "refresh"]
"""What an operator can do to accounts."""

ACTIONS: Final[tuple[Action, ...]] = ("stop", "restart", "reconnect", "refresh")


class Outcome(NamedTuple):
    """What an action came to, by account."""

    done: list[str]
    refused: dict[str, Text]
    """Why it could not be done to these."""


class Retried(NamedTuple):
    """Dead letters given to handlers again, by account."""

    done: dict[str, int]
    """How many."""
    refused: dict[str, Text]
    """Why it could not be done for these."""


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted of an account."""

    name: str
    deleted: list[str]
    """Absolute paths of files, in the order of their deletion."""
    listed: bool
    """Whether the account is still in the accounts file, and so begins anew at its next start."""


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """Names of the accounts that a reload touched. The connections of all others stayed open."""

    added: list[str] = []
    removed: list[str] = []
    restarted: list[str] = []
    """Changed in a way that needed a new worker."""
    applied: list[str] = []
    """Changed without a new worker."""
    renewed: list[str] = []
    """Those whose handler was loaded anew, or was given other replies.yml or deliver.yml, in the live worker."""
    unchanged: int = 0
    unfinished: list[str] = []
    """Of all these: those that could not be brought to the file by a fault; the next reload tries again."""
    warnings: list[str] = []


class SimulatorPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the built-in gateway has an account."""

    url: str
    """Of its control routes (docs/simulator.md)."""
    unb: str
    ca_file: str | None
    """To trust its certificate by, where it speaks TLS."""


class QrStep(msgspec.Struct, frozen=True, kw_only=True):
    """How far a login by code is."""

    step: Literal["code", "waiting", "scanned", "check", "failed", "done"]
    code: str | None = None
    """What to draw as a QR code."""
    seconds: float | None = None
    """For how long it is asked about."""
    text: Text | None = None
    """Why it failed, what is probably wrong with the cookie, or why a second code is to be scanned."""


class BrowserPlace(NamedTuple):
    """What a browser needs in which a person logs an account in."""

    profile: Path
    """Folder of the account's own profile."""
    url: str
    """The page at which to log in."""
    domain: str
    """Whose cookies are taken."""
    language: str
    proxy: Secret | None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The shortest answer: is somebody there, and how far is the fleet?"""

    name: str
    pid: int
    version: str
    simulator: bool
    wanted: int
    """Accounts that are enabled and not stopped by an operator."""
    connected: int
    """Those of them that are CONNECTED."""
    waiting_for_person: int = 0
    """Those of them for which nothing is tried until a person did something, or a long rest is over."""
    timezone: str | None = None
    """`fleet.timezone`; null = the reader's own."""


class WireReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform sent to an account that this version does not know, fit for a bug report."""

    version: str
    unknown: list[Shape]


class Control(Protocol):
    """The running fleet as the API sees it. `names` may hold globs and @tags (see `selection`)."""

    language: str
    """`zh` or `en`: for a client that does not say which it wants."""
    events: EventLog
    mail: MessageFeed
    """The accounts' messages, to be read."""

    def health(self) -> Health:
        """Return the counts; cheap, asked several times a second by `start --wait`."""

    def status(self, names: Sequence[str]) -> StatusView:
        """Return the accounts that `names` mean (none = all), `advice` left null: the API fills it in. UnknownName."""

    def names(self, names: Sequence[str]) -> list[str]:
        """Return the names of the accounts that `names` mean (none = all). Raises `UnknownName`."""

    async def act(self, action: Action, names: Sequence[str], by: str, *, sure: bool = False) -> Outcome:
        """Do `action` to the accounts; `stop` returns when they are closed. Raises `Refused`.

        Without `sure` a restart or a login of many accounts in an outage is refused with `NotConfirmed`.
        """

    async def login(self, name: str, cookie: Secret, by: str, identity: Identity | None = None) -> Text | None:
        """Store a cookie for the account and connect with it; return a doubt about it. Raises `Refused`."""

    def browser_place(self, name: str) -> BrowserPlace:
        """Return what a browser needs in which a person logs the account in. Raises `Refused`."""

    def qr_login(self, name: str, by: str) -> AsyncGenerator[QrStep, None]:
        """Log an account in by a code that its owner scans; yield what happens, the end last. Raises `Refused`."""

    async def reload(self, by: str, *, sure: bool = False) -> Reloaded:
        """Read the file again; return when added accounts were started and removed ones are closed. `Refused`.

        Without `sure` a reload that would end a large part of the fleet is refused.
        """

    def stop(self, by: str) -> None:
        """Begin to end the supervisor, and return at once."""

    async def send(self, letter: SendRequest, wait: float) -> Delivery:
        """Send a text; return when it is settled, or what is known after `wait` seconds. Raises `Refused`."""

    async def talk(self, name: str, question: TalkQuestion) -> TalkAnswer:
        """Ask the platform about conversations, or do something in one, as an account. Raises `Refused`."""

    async def ask(self, name: str, question: Ask) -> Any:
        """Ask the platform something for an account, as its handler does. Raises `Refused`."""

    async def retry(self, names: Sequence[str], ids: Sequence[str]) -> Retried:
        """Give dead letters (no ids: all) of the accounts to their handlers again. Raises `Refused`."""

    async def forget(self, name: str, by: str) -> Forgotten:
        """Delete all that is stored about an account that does not run. Raises `Refused`."""

    def trace(self, name: str) -> Sequence[Traced]:
        """Return the account's latest events as its supervision saw them, oldest first. Raises `UnknownName`."""

    def simulator(self, name: str) -> SimulatorPlace:
        """Return where a rehearsal's gateway has an account. Raises `UnknownName`, `NotPossible`."""

    def wire_report(self, name: str) -> WireReport:
        """Return the shapes of what the account met that is unknown. Raises `UnknownName`."""

    def log_path(self, name: str) -> Path | None:
        """Return the account's log file, None with `log.dir: none`. Raises `UnknownName`."""
