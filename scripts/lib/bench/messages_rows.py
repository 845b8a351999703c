"""What `scripts/bench-messages` measures, what it should come to, and how much of it. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from scripts.lib.bench.figures import ANY, Row

RATES: Final = (20, 200)
"""Messages per second at which a handler's latency is measured."""
HANDLERS: Final = {"python": "call of a Python handler", "webhook": "request at a webhook"}
FRAME: Final = 32
"""Most messages in one push."""


class Plan(NamedTuple):
    """How much is measured."""

    accounts: int
    """Accounts of the fleet whose memory is measured."""
    runs: int
    """0: memory alone."""
    seconds: float
    """Of one measurement of latency or throughput."""
    fleet: int
    """Accounts of the fleet whose throughput is measured."""
    settle: float
    """Seconds until a connected worker has done all that it does at first; conversations are listed after 3."""
    idle: bool
    """Whether to wait until the inboxes are closed again."""


LONG: Final = Plan(accounts=200, runs=3, seconds=10.0, fleet=20, settle=12.0, idle=True)
SHORT: Final = Plan(accounts=2, runs=1, seconds=0.2, fleet=3, settle=0.0, idle=False)


def _latencies() -> list[Row]:
    return [
        Row(f"{name}_{rate}_{part}", f"push to {what}, {rate} messages/s for one account: {part}", "ms")
        for name, what in HANDLERS.items()
        for rate in RATES
        for part in ("p50", "p99")
    ]


def _throughput(fleet: int) -> list[Row]:
    return [
        row
        for key, who in (("one", "one account"), ("fleet", f"{fleet} accounts together"))
        for size in (1, FRAME)
        for row in (
            Row(f"{key}_{size}", f"most messages/s stored and acked, {who}, {size} in a push", "/s"),
            Row(f"{key}_{size}_gateway", "… CPU of the built-in gateway meanwhile, one core = 100 %", "%"),
        )
    ]


def rows(plan: Plan) -> tuple[Row, ...]:
    """Return all that is measured, in the table's order."""
    memory = (
        Row("memory", "memory per account (PSS): connected, nothing received yet", "MiB", {200: 6.0}),
        Row("memory_100", "… after 100 messages, inbox open", "MiB"),
        Row("memory_idle", "… after the inbox was closed again, 30 s without a message", "MiB"),
        Row("memory_python", "… with a Python handler: connected, nothing received yet", "MiB"),
        Row("memory_python_100", "… with a Python handler: after 100 messages", "MiB"),
    )
    if not plan.runs:
        return memory
    return (
        Row("ack_p50", "push to ack, 200 messages/s for one account: p50", "ms"),
        Row("ack_p99", "… p99", "ms", {ANY: 50.0}),
        *_latencies(),
        *_throughput(plan.fleet),
        Row("lost", "messages that were pushed and did not arrive at the handler", "", must_be_none=True),
        Row("repushed", "pushes sent again meanwhile, for want of an ack within 3 s", ""),
        *memory,
    )
