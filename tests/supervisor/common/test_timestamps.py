"""Times are shown in the fleet's zone, spans in two units."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from xyfleet.supervisor.common.timestamps import clock, span, zone

NOW = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", "11:04:05"),
        ("2026-01-01T16:00:00.123Z", "00:00:00"),
        ("2026-01-01T15:59:59Z", "01-01 23:59:59"),
        (None, "-"),
    ],
)
def test_clock_is_local_and_dated_when_not_today(text: str | None, expected: str) -> None:
    """Today is the zone's day, not UTC's."""
    assert clock(text, zone("Asia/Shanghai"), NOW) == expected


@pytest.mark.parametrize("name", [None, "", "No/Such", "../etc/passwd", "\0"])
def test_unknown_zone_is_the_machines(name: str | None) -> None:
    """A zone that this machine does not know never breaks a status."""
    assert zone(name) is None
    assert clock("2026-01-02T03:04:05Z", zone(name), NOW)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (59.9, "59s"), (61, "1min 1s"), (3723, "1h 2min"), (90061, "1d 1h")],
)
def test_span_has_two_units(seconds: float, expected: str) -> None:
    """A span is as exact as a person needs it."""
    assert span(seconds, "en") == expected
