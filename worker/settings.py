"""The settings of one connection and one worker, as typed values with their defaults. Pure.

Names, defaults and rules: docs/heartbeat.md. The file format around them is read by `xyfleet.supervisor.config`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from xyfleet.worker.ready_rules import ReadyRules
from xyfleet.worker.secret import Secret

RetryClass = Literal["closed", "network", "other"]
"""Which of the three delay rules applies after a loss (docs/heartbeat.md, rule 10)."""


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """The delay after the n-th failure: `min(step * n, max)`, in seconds (or `step * 2**(n-1)` when exponential)."""

    step: float
    max: float


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before dialling again."""

    closed: Backoff = Backoff(step=3.0, max=15.0)
    network: Backoff = Backoff(step=10.0, max=60.0)
    other: Backoff = Backoff(step=5.0, max=30.0)
    growth: Literal["linear", "exponential"] = "linear"
    jitter: float = 0.3
    """Share (0 to 1) by which a delay may be cut at random; 0 = exact."""


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """The heartbeat, timeout and reconnect cycle of one account. All durations are seconds."""

    heartbeat_interval: float = 15.0
    heartbeat_timeout: float = 30.0
    heartbeat_send_timeout: float = 2.0
    max_heartbeat_failures: int = 3
    heartbeat_retry_delay: float = 5.0
    max_connection_failures: int = 5
    stable_after: float = 30.0
    open_timeout: float = 10.0
    register_timeout: float = 10.0
    retry: Retry = Retry()


PROFILES: Final[dict[str, dict[str, Any]]] = {
    "enterprise": {"heartbeat_interval": 15.0, "heartbeat_timeout": 30.0},
    "high_latency": {"heartbeat_interval": 30.0, "heartbeat_timeout": 60.0, "max_heartbeat_failures": 5},
    "unstable": {"heartbeat_interval": 20.0, "heartbeat_timeout": 45.0, "retry": {"growth": "exponential"}},
    "mobile": {"heartbeat_interval": 45.0, "heartbeat_timeout": 90.0},
}
"""The seed's four network profiles: settings that a profile name stands for."""

DEFAULT_ENDPOINT: Final = "wss://wss-goofish.dingtalk.com/"
DEFAULT_USER_AGENT: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/151.0.0.0 Safari/537.36"
)
DEFAULT_LANGUAGE: Final = "zh-CN,zh;q=0.9"


OUTGOING_BLOCK: Final = ("微信", "加微", "VX", "WeChat", "QQ", "银行卡", "线下交易")
"""Ways to leave the platform, which it punishes."""


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker's log lines go."""

    dir: str | None = None
    """Absolute folder of `<account>.log`, and of `.beats.log` and `.stack.log` beside it; null = JSON lines on standard
    output."""
    format: Literal["console", "json"] = "console"
    max_bytes: int = 2_000_000
    """Of `<account>.log`; with `beats` half of it, and half for theirs."""
    backups: int = 1
    beats: bool = True
    """Whether each heartbeat sent and answered is a line."""
    verbose: bool = False
    """Whether lines also go to standard error (the foreground console of `start --verbose`)."""


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to an account's messages. Durations are seconds."""

    file: str = ""
    """Absolute path of the inbox; it is made when the first message comes."""
    since: int = 0
    """Milliseconds since the epoch: what is older was there before xyfleet, and is not caught up with."""
    known_row: int = 0
    """Highest row of this inbox that the fleet knows: when the file is not there, it was lost."""
    keep_days: float = 90.0
    keep_bytes: int = 100_000_000
    """Size at which the oldest messages go, whatever their age."""
    handler: str | None = None
    """`package.module:function` or the name of a ready handler; several with commas are asked in turn; null = none."""
    handler_path: str = ""
    """Folder that is first on `sys.path` when the handler is imported: the accounts file's."""
    handler_packages: str = ""
    """Folder that is last on it: what the owner's requirements.txt asks for, if that is there."""
    handler_env: dict[str, Secret] = {}
    """Environment variables that it gets; no other process sees them."""
    ready: ReadyRules | None = None
    """What the ready handlers among them go by."""
    webhook: str | None = None
    """Unix socket of the fleet's webhook process; null = this account has no webhook."""
    fleet: str = ""
    """The fleet's name: that process answers its own fleet only."""
    label: str = ""
    """For the handler's `account.label`."""
    users: str = ""
    """Absolute path of the file of the fleet's user ids (`xyfleet.worker.fleet_users`)."""
    handler_timeout: float = 30.0
    handler_concurrency: int = 4
    """Calls at one time for one account; of one conversation never more than one."""
    handler_gather: float = 0.0
    """Wait for a further line of the same buyer, with which the ones before are one call; 0 = each is a call."""
    handler_retries: int = 3
    """Further calls after one that failed."""
    handler_retry_delay: float = 5.0
    """Wait before the first of them; doubles each time, up to 300."""
    reply_max_age: float = 600.0
    """Older messages reach the inbox, not the handler; 0 = no limit."""
    on_unknown: Literal["park", "retry"] = "park"
    """What becomes of a message in whose call a crash came."""
    takeover_pause: float = 600.0
    """How long the handler leaves a conversation alone that its owner has written in; 0 = never does."""
    answer_groups: bool = False
    """Whether the handler hears of group talks."""
    answer_fleet: bool = False
    """Whether it hears of texts and pictures from other accounts of this fleet."""
    reply_limit: int = 20
    """Automatic messages into one conversation within `reply_limit_window`, before its talk is left to a person; 0 = no
    limit."""
    reply_limit_window: float = 600.0
    outgoing_block: tuple[str, ...] = OUTGOING_BLOCK
    """Words that no automatic message may hold."""
    send_rate: float = 1.0
    """Messages sent per second; 0 = no limit."""
    catch_up_every: float = 1800.0
    """Wait since the last message before missed ones are looked for on a living connection; 0 = never."""
    orders: bool | None = None
    """Whether the orders that wait for shipment are listed after each reconnect; null = where something answers."""
    orders_every: float = 1800.0
    """And so often on a living connection; 0 = never."""


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that one worker needs to know; it travels over the private start pipe, never in argv or environment."""

    account: str
    unb: str
    """User id, the `unb` of the cookie; the cookie itself never reaches a worker."""
    device_id: str
    endpoint: str = DEFAULT_ENDPOINT
    user_agent: str = DEFAULT_USER_AGENT
    language: str = DEFAULT_LANGUAGE
    """`Accept-Language` of the handshake."""
    proxy: Secret | None = None
    """`http://…` or `socks5://…`; used for the socket, and never left aside: without it there is no dial."""
    ca_file: str | None = None
    cycle: Cycle = Cycle()
    log: LogSettings = LogSettings()
    mail: MailSettings = MailSettings()
    user_lock: str | None = None
    """The file that is locked by whoever dials for this user, on this machine; None: nobody else is asked."""
    report_interval: float = 5.0
    """Seconds between two signs of life from the event loop: a quarter of `hang_timeout`."""
