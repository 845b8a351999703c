"""The form of the section `fleet:` of accounts.yml as people write it. Pure.

How these types are used, and what the values mean in the end: `file_schema`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from xyfleet.supervisor.config.reading.value_types import Name, Rate, Seconds, Size, Text


class RawTls(TypedDict):
    """Certificate and key of the HTTP listener, PEM files."""

    cert: Annotated[Text, Meta(description="Certificate chain.")]
    key: Annotated[Text, Meta(description="Private key.")]


class RawSimulator(TypedDict, total=False):
    """The built-in gateway; only with `endpoint: simulator`."""

    faults: Annotated[Text, Meta(description="File with a script of faults.")]
    tls: Annotated[bool, Meta(description="Whether the built-in gateway speaks TLS.")]
    strict: Annotated[bool, Meta(description="Whether the built-in gateway refuses what only some public clients do.")]


class RawRestart(TypedDict, total=False):
    """How workers are restarted."""

    backoff_max: Annotated[Seconds, Meta(description="Longest wait before a restart.")]
    healthy_after: Annotated[Seconds, Meta(description="Healthy this long: the next restart is at once again.")]
    failed_grace: Annotated[Seconds, Meta(description="Still FAILED this long after a refresh: restart.")]


class RawLog(TypedDict, total=False):
    """Log files of the workers."""

    format: Annotated[Literal["console", "json"], Meta(description="Lines for people, or JSON lines.")]
    dir: Annotated[
        Text, Meta(description="Folder; absent: <state_dir>/logs; none: JSON lines on standard output only.")
    ]
    max_bytes: Annotated[
        Size, Meta(extra_json_schema={"minimum": 1000}, description="Size at which a log file is rotated.")
    ]
    backups: Annotated[int, Meta(ge=0, le=100, description="Rotated files kept per account.")]
    total: Annotated[Size, Meta(description="Most bytes of all log files; lowers max_bytes for many accounts.")]
    beats: Annotated[bool, Meta(description="Whether each heartbeat is a line.")]


class RawFleetRate(TypedDict, total=False):
    """What the whole fleet may do, whatever the egress."""

    dials: Annotated[Rate, Meta(description="Dials per second of all accounts together; 0 = no limit.")]
    token_calls: Annotated[Rate, Meta(description="Token calls per second of all accounts together; 0 = no limit.")]


class RawFleet(TypedDict, total=False):
    """The fleet's own settings."""

    name: Annotated[Name, Meta(description="The fleet's name; absent: the file's name without its ending.")]
    endpoint: Annotated[Text, Meta(description="wss:// address of the gateway, or simulator for the built-in one.")]
    token_url: Annotated[Text, Meta(description="https:// address of the token call.")]
    state_dir: Annotated[Text, Meta(description="Folder for credentials, tokens, logs and everything kept.")]
    http: Annotated[Text, Meta(description="host:port of the API on TCP, with a token; absent: Unix socket only.")]
    tls: Annotated[RawTls, Meta(description="Makes `http` speak TLS.")]
    behind_proxy: Annotated[bool, Meta(description="A reverse proxy with TLS stands before `http`.")]
    language: Annotated[Literal["zh", "en"], Meta(description="Of all texts; absent: the locale's.")]
    timezone: Annotated[Text, Meta(description="For the times shown, such as Asia/Shanghai; absent: the machine's.")]
    simulator: Annotated[RawSimulator, Meta(description="Settings of the built-in gateway.")]
    ca_file: Annotated[Text, Meta(description="PEM file of the certificate authorities to trust instead.")]
    connect_rate: Annotated[Rate, Meta(description="Dials per second and egress; 0 = no limit.")]
    token_rate: Annotated[Rate, Meta(description="Token calls per second and egress; 0 = no limit.")]
    fleet_rate: Annotated[
        RawFleetRate, Meta(description="Paces of the whole fleet, on top of those of each egress; only what is given.")
    ]
    catch_up_rate: Annotated[
        Rate, Meta(description="Accounts per second that begin to look for missed messages; 0 = no limit.")
    ]
    hang_timeout: Annotated[Seconds, Meta(description="A worker silent this long is looked at, then replaced.")]
    restart: Annotated[RawRestart, Meta(description="How workers are restarted.")]
    log: Annotated[RawLog, Meta(description="Log files of the workers.")]
