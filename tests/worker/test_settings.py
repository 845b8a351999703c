"""The settings' defaults and profiles are the documented ones."""

from __future__ import annotations

import msgspec
import pytest

from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import DEFAULT_ENDPOINT, PROFILES, Backoff, Cycle, LogSettings, Retry, WorkerSettings


def test_defaults() -> None:
    """The built-in values are those of docs/heartbeat.md."""
    cycle = Cycle()

    assert (cycle.heartbeat_interval, cycle.heartbeat_timeout, cycle.heartbeat_send_timeout) == (15, 30, 2)
    assert (cycle.max_heartbeat_failures, cycle.heartbeat_retry_delay, cycle.max_connection_failures) == (3, 5, 5)
    assert (cycle.stable_after, cycle.open_timeout, cycle.register_timeout) == (30, 10, 10)
    assert cycle.retry == Retry(
        closed=Backoff(step=3, max=15),
        network=Backoff(step=10, max=60),
        other=Backoff(step=5, max=30),
        growth="linear",
        jitter=0.3,
    )


@pytest.mark.parametrize(
    ("name", "interval", "timeout"),
    [("enterprise", 15, 30), ("high_latency", 30, 60), ("unstable", 20, 45), ("mobile", 45, 90)],
)
def test_profiles(name: str, interval: float, timeout: float) -> None:
    """Each profile sets the seed's pair, which keeps the rule that the timeout is at least twice the interval."""
    profile = PROFILES[name]

    assert (profile["heartbeat_interval"], profile["heartbeat_timeout"]) == (interval, timeout)
    assert profile["heartbeat_timeout"] >= 2 * profile["heartbeat_interval"]


def test_profile_names_are_settings() -> None:
    """A profile sets nothing but settings that exist."""
    known = {field.name for field in msgspec.structs.fields(Cycle)}

    assert all(set(profile) <= known for profile in PROFILES.values())
    assert PROFILES["high_latency"]["max_heartbeat_failures"] == 5
    assert PROFILES["unstable"]["retry"] == {"growth": "exponential"}


def test_settings_are_frozen() -> None:
    """Nobody changes settings in place."""
    with pytest.raises(AttributeError):
        Cycle().heartbeat_interval = 1.0  # type: ignore[misc]


def test_worker_settings_show_no_secret() -> None:
    """Printing a worker's settings does not show its proxy's password."""
    settings = WorkerSettings(account="a", unb="1", device_id="d", proxy=Secret("socks5://user:pass@host:1"))

    assert "pass" not in repr(settings)
    assert settings.endpoint == DEFAULT_ENDPOINT
    assert settings.log == LogSettings()
