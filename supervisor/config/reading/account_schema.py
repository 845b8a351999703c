"""The form of an account in accounts.yml as people write it, and of what all accounts share. Pure.

How these types are used, and what the values mean in the end: `file_schema`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypedDict

from msgspec import Meta

from xyfleet.supervisor.common.i18n import N_
from xyfleet.supervisor.config.reading.value_types import (
    LEAST_INBOX,
    LEAST_MEMORY,
    Api,
    CookieText,
    Count,
    Handler,
    Handlers,
    Label,
    Language,
    Name,
    Period,
    Rate,
    Seconds,
    SecretText,
    Size,
    Tag,
    Text,
    UserAgent,
    Variable,
)
from xyfleet.supervisor.identity import LATEST, OLDEST


class RawBackoff(TypedDict, total=False):
    """The delay after the n-th failure: min(step * n, max) seconds."""

    step: Annotated[Seconds, Meta(description="Seconds added per failure.")]
    max: Annotated[Seconds, Meta(description="Longest delay, seconds.")]


class RawIdentity(TypedDict, total=False):
    """The browser to appear as: all headers are made from it. Counts from the next login on."""

    browser: Annotated[Literal["chrome", "edge"], Meta(description="Which browser.")]
    version: Annotated[int, Meta(ge=OLDEST, le=LATEST, description="Its main version, such as 151.")]
    os: Annotated[Literal["windows", "macos", "linux"], Meta(description="The system that it runs on.")]
    language: Annotated[Language, Meta(description="Its language, such as zh-CN.")]


class RawRetry(TypedDict, total=False):
    """How long to wait before dialling again; only what is given changes."""

    closed: Annotated[RawBackoff, Meta(description="After a connection that was closed or declared dead.")]
    network: Annotated[RawBackoff, Meta(description="After a network failure.")]
    other: Annotated[RawBackoff, Meta(description="After anything else.")]
    growth: Annotated[Literal["linear", "exponential"], Meta(description="How the delay grows.")]
    jitter: Annotated[float, Meta(ge=0, le=1, description="Share by which a delay may be cut at random; 0 = exact.")]


class _Url(TypedDict):
    url: Annotated[
        SecretText, Meta(description="http:// or https:// address that messages are posted to; may hold ${ENV_NAME}.")
    ]


class RawWebhook(_Url, total=False):
    """Where messages are posted to, and what signs them."""

    secret: Annotated[
        SecretText, Meta(description="Key of the signature (HMAC-SHA256); absent: unsigned; may hold ${ENV_NAME}.")
    ]
    secret_file: Annotated[Text, Meta(description="File that holds the key.")]


class RawDefaults(TypedDict, total=False):
    """Settings for all accounts; an account's own win."""

    profile: Annotated[
        Literal["enterprise", "high_latency", "unstable", "mobile"],
        Meta(description="A set of heartbeat settings by the kind of network; single settings win over it."),
    ]
    heartbeat_interval: Annotated[Seconds, Meta(description="Seconds between beats.")]
    heartbeat_timeout: Annotated[
        Seconds,
        Meta(description="Oldest unanswered beat this old: the connection is dead. At least twice the interval."),
    ]
    heartbeat_send_timeout: Annotated[Seconds, Meta(description="One send may take this long; less than the interval.")]
    max_heartbeat_failures: Annotated[Count, Meta(description="Failed sends in a row that end the connection.")]
    heartbeat_retry_delay: Annotated[Seconds, Meta(description="Wait after a failed send.")]
    max_connection_failures: Annotated[
        Count, Meta(description="Failed or short-lived connections in a row that mean FAILED.")
    ]
    stable_after: Annotated[Seconds, Meta(description="A connection this old, with an answer, resets the counters.")]
    open_timeout: Annotated[Seconds, Meta(description="Name look-up, TCP, TLS and upgrade together.")]
    register_timeout: Annotated[Seconds, Meta(description="Wait for the answer to the registration.")]
    retry: Annotated[RawRetry, Meta(description="Delays before dialling again.")]
    HEARTBEAT_INTERVAL: Annotated[Seconds, Meta(description="Other spelling of heartbeat_interval.")]
    HEARTBEAT_TIMEOUT: Annotated[Seconds, Meta(description="Other spelling of heartbeat_timeout.")]
    MAX_HEARTBEAT_FAILURES: Annotated[Count, Meta(description="Other spelling of max_heartbeat_failures.")]
    RETRY_DELAY_BASE: Annotated[Seconds, Meta(description="Other spelling of retry.other.step.")]
    RETRY_DELAY_MAX: Annotated[Seconds, Meta(description="Other spelling of retry.other.max.")]
    password: Annotated[SecretText, Meta(description="For the refresh hook; may hold ${ENV_NAME}.")]
    password_file: Annotated[Text, Meta(description="File that holds the password.")]
    proxy: Annotated[
        SecretText,
        Meta(description="http://, socks5://, socks5h:// or socks4:// with host and port; none = no proxy."),
    ]
    proxy_file: Annotated[Text, Meta(description="File that holds the proxy's address.")]
    identity: Annotated[RawIdentity, Meta(description="The browser to appear as; the one that makes the next cookie.")]
    user_agent: Annotated[UserAgent, Meta(description="Instead of identity: a user agent as it is.")]
    renew_login: Annotated[
        bool, Meta(description="true: the login is renewed as the web page does it, every 6 to 12 hours.")
    ]
    max_memory: Annotated[
        Size,
        Meta(
            extra_json_schema={"minimum": LEAST_MEMORY},
            description="A worker above this is restarted politely; bytes, or 200MB.",
        ),
    ]
    handler: Annotated[
        Handler | Handlers,
        Meta(
            description="Python function that answers messages, package.module:function, or a ready handler: keywords,"
            " deliver; several in a list are asked in turn; none = no handler."
        ),
    ]
    webhook: Annotated[
        RawWebhook | Literal["none"],
        Meta(
            extra={"hint": N_("write webhook: {url: …, secret: …}, or webhook: none")},
            description="HTTP service that answers messages; none = no webhook.",
        ),
    ]
    handler_timeout: Annotated[Seconds, Meta(description="One call of handler or webhook may take this long.")]
    handler_concurrency: Annotated[
        int, Meta(ge=1, le=1000, description="Calls at one time; of one conversation never more than one.")
    ]
    handler_env: Annotated[
        list[Variable],
        Meta(description="Environment variables of `xyfleet start` that the Python handler gets, by name."),
    ]
    handler_gather: Annotated[
        float,
        Meta(ge=0, le=60, description="Wait for further lines of a buyer: they are one call; 0 = each is one."),
    ]
    handler_retries: Annotated[int, Meta(ge=0, le=20, description="Further calls after one that failed.")]
    handler_retry_delay: Annotated[Seconds, Meta(description="Wait before the first of them; doubles, up to 300.")]
    reply_max_age: Annotated[Period, Meta(description="Older messages reach the inbox, not the handler; 0 = no limit.")]
    on_unknown: Annotated[
        Literal["park", "retry"], Meta(description="What becomes of a message in whose call a crash came.")
    ]
    takeover_pause: Annotated[
        Period,
        Meta(description="The handler leaves a talk alone this long after its owner wrote in it; 0 = never."),
    ]
    answer_groups: Annotated[bool, Meta(description="Whether the handler hears of group talks.")]
    answer_fleet: Annotated[bool, Meta(description="Whether it hears of texts from other accounts of this fleet.")]
    reply_limit: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="Automatic messages into one conversation within reply_limit_window; then its talk is left to a"
            " person; 0 = no limit.",
        ),
    ]
    reply_limit_window: Annotated[Seconds, Meta(description="The time that reply_limit counts over.")]
    outgoing_block: Annotated[
        list[Text],
        Meta(description="Words that no automatic message may hold; it is a dead letter then. [] = none."),
    ]
    send_rate: Annotated[Rate, Meta(description="Messages sent per second; 0 = no limit.")]
    keep_days: Annotated[float, Meta(gt=0, le=36_500, description="Messages older than this many days are deleted.")]
    keep_bytes: Annotated[
        Size,
        Meta(
            extra_json_schema={"minimum": LEAST_INBOX},
            description="Size of the inbox at which the oldest messages are deleted, whatever their age.",
        ),
    ]
    catch_up_every: Annotated[
        Period,
        Meta(description="Silent this long, the account looks for messages it missed; 0 = after a reconnect only."),
    ]
    orders: Annotated[
        bool,
        Meta(description="Whether orders that wait for shipment are listed; absent: where there is an answerer."),
    ]
    orders_every: Annotated[Period, Meta(description="Seconds between two such lists; 0 = after a reconnect only.")]
    apis: Annotated[list[Api], Meta(description="Further APIs of the platform that handlers may call.")]
    tags: Annotated[list[Tag], Meta(description="For choosing accounts: status @phones.")]
    enabled: Annotated[bool, Meta(description="false: no worker is started.")]


class _Named(TypedDict):
    name: Annotated[Name, Meta(description="Unique; letters, digits, . _ - and at most 64 of them.")]


class RawAccount(RawDefaults, _Named, total=False):
    """One account."""

    label: Annotated[Label, Meta(description="Shown everywhere beside the name.")]
    cookie: Annotated[
        CookieText,
        Meta(description="The Cookie header of a logged-in browser, with unb=…; may hold ${ENV_NAME}."),
    ]
    cookie_file: Annotated[Text, Meta(description="File that holds the cookie; watched for changes.")]
    username: Annotated[Text, Meta(description="For the refresh hook; may hold ${ENV_NAME}.")]
    username_file: Annotated[Text, Meta(description="File that holds the user name.")]


SEED_NAMES: Final = {
    "HEARTBEAT_INTERVAL": "heartbeat_interval",
    "HEARTBEAT_TIMEOUT": "heartbeat_timeout",
    "MAX_HEARTBEAT_FAILURES": "max_heartbeat_failures",
    "RETRY_DELAY_BASE": "retry.other.step",
    "RETRY_DELAY_MAX": "retry.other.max",
}
"""The upper-case names of the seed (docs/heartbeat.md) and the settings they mean."""
