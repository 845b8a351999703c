"""What accounts.yml says, resolved: every default, profile and secret filled in. Pure.

`xyfleet.supervisor.config` reads the file into these values; everything else only ever sees them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from xyfleet.supervisor.identity import DEFAULT, Identity
from xyfleet.worker.ready_rules import ReadyRules
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import DEFAULT_ENDPOINT, OUTGOING_BLOCK, Cycle

SIMULATOR = "simulator"
"""The `endpoint` that means the built-in gateway."""

READY = frozenset({"deliver", "keywords"})
"""Handlers that come with xyfleet, by the names that the file gives them."""

DEFAULT_TOKEN_URL = "https://h5api.m.goofish.com/h5/mtop.taobao.idlemessage.pc.login.token/1.0/"


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Certificate and key of the HTTP listener."""

    cert: Path
    key: Path


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """Where the HTTP API listens besides its Unix socket."""

    host: str
    port: int
    tls: Tls | None = None
    behind_proxy: bool = False


class Simulator(msgspec.Struct, frozen=True, kw_only=True):
    """The built-in gateway's own settings."""

    faults: Path | None = None
    tls: bool = False
    strict: bool = False


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """How workers are restarted. Seconds."""

    backoff_max: float = 900.0
    healthy_after: float = 120.0
    failed_grace: float = 60.0


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """Log files of the workers."""

    format: Literal["console", "json"] = "console"
    dir: Path | None = None
    """None: JSON lines on standard output only (`dir: none`). Absent in the file: `<state_dir>/logs`."""
    max_bytes: int = 2_000_000
    backups: int = 1
    total: int = 2_000_000_000
    """Most bytes of all log files together; lowers `max_bytes` when the accounts are many."""
    beats: bool = True


class FleetRate(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole fleet may do per second, whatever the egress; 0 = no limit."""

    dials: float = 50.0
    token_calls: float = 5.0


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet's own settings."""

    name: str
    state_dir: Path
    endpoint: str = DEFAULT_ENDPOINT
    token_url: str = DEFAULT_TOKEN_URL
    http: Http | None = None
    language: Literal["zh", "en"] | None = None
    timezone: str | None = None
    simulator: Simulator | None = None
    """Set exactly when `endpoint` is `simulator`."""
    ca_file: Path | None = None
    connect_rate: float = 10.0
    """Dials per second and egress; 0 = no limit."""
    token_rate: float = 1.0
    fleet_rate: FleetRate = FleetRate()
    catch_up_rate: float = 5.0
    """Accounts per second that begin to look for missed messages; 0 = no limit."""
    hang_timeout: float = 20.0
    restart: Restart = Restart()
    log: Log = Log()


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """The password-login refresh hook."""

    command: tuple[str, ...] | None = None
    """Absolute program path first; None = no hook."""
    timeout: float = 180.0
    cooldown: float = 600.0
    max_concurrent: int = 3
    login_budget: int = 6
    """Hook runs per account and day."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP service that answers an account's messages."""

    url: Secret
    """`http://` or `https://`; a secret, for many a service's address is its key."""
    secret: Secret | None = None
    """Key of the signature; None = unsigned."""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to an account's messages; meanings and units: `xyfleet.worker.settings.MailSettings`."""

    handler_timeout: float = 30.0
    handler_concurrency: int = 4
    handler_gather: float = 0.0
    handler_retries: int = 3
    handler_retry_delay: float = 5.0
    reply_max_age: float = 600.0
    on_unknown: Literal["park", "retry"] = "park"
    takeover_pause: float = 600.0
    answer_groups: bool = False
    answer_fleet: bool = False
    reply_limit: int = 20
    reply_limit_window: float = 600.0
    outgoing_block: tuple[str, ...] = OUTGOING_BLOCK
    send_rate: float = 1.0
    keep_days: float = 90.0
    keep_bytes: int = 100_000_000
    catch_up_every: float = 1800.0
    orders: bool | None = None
    """None: where there is a handler or a webhook."""
    orders_every: float = 1800.0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account, complete."""

    name: str
    where: str
    """`file:line` of its entry."""
    label: str = ""
    tags: tuple[str, ...] = ()
    cookie: Secret | None = None
    """As the file (or `cookie_file`) has it; None where the first login is the hook's job."""
    cookie_file: Path | None = None
    """Watched: a new content is a new cookie."""
    username: str | None = None
    password: Secret | None = None
    proxy: Secret | None = None
    identity: Identity | None = None
    """The browser that the file names for its next login."""
    renew_login: bool = False
    """Whether the page's own renewals keep the login alive."""
    cycle: Cycle = Cycle()
    handler: str | None = None
    """`package.module:function`, the Python handler, or several that are asked in turn, with commas (`handlers_of`);
    None = none. Never set together with `webhook`."""
    handler_env: dict[str, Secret] = {}
    """Environment variables that the Python handler gets."""
    ready: ReadyRules | None = None
    """What the ready handlers go by, where it has some."""
    webhook: Webhook | None = None
    mail: Mail = Mail()
    apis: tuple[str, ...] = ()
    """Further APIs of the platform that its handler and the HTTP API may call."""
    max_memory: int | None = None
    """Bytes."""
    enabled: bool = True

    def next_identity(self) -> Identity:
        """Return the browser that its next login is made in."""
        return self.identity or DEFAULT


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A whole accounts.yml."""

    path: Path
    fleet: Fleet
    refresh: Refresh = Refresh()
    accounts: dict[str, Account] = {}
    included: frozenset[str] = frozenset()
    """Patterns of `include` that files fitted."""


def handlers_of(handler: str | None) -> tuple[str, ...]:
    """Return the handlers of an account, in the order in which they are asked."""
    return () if handler is None else tuple(handler.split(","))
