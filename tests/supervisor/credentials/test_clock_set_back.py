"""A clock that was ahead once locks nobody out for longer than a clock that was right: reviewer's 7."""

from __future__ import annotations

from pathlib import Path

from support.hooks import COOKIE
from xyfleet.supervisor.credentials.record import Attempt
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.policy import LONGEST_RETRY_AFTER, next_allowed

NOW = 1_700_000_000.0
YEAR = 365 * 86_400.0


async def test_what_is_still_to_come_was_now_when_it_is_first_seen(tmp_path: Path) -> None:
    """Runs and calls of "next year" count from the first look on, and not from each look anew."""
    store = Store(tmp_path)
    store.load(["shop"])
    store.adopt("shop", COOKIE, "file")
    key = store.key("shop")
    before = Attempt(start=NOW - 5000, ok=True)
    ahead = Attempt(start=NOW + YEAR, ok=True, not_before=NOW + YEAR + LONGEST_RETRY_AFTER)
    store.put(key, store.at(key).but(attempts=(before, ahead), calls=(NOW - 10, NOW + YEAR)))

    seen = store.up_to(key, NOW)
    assert seen.attempts == (before, Attempt(start=NOW, ok=True, not_before=NOW + LONGEST_RETRY_AFTER))
    assert seen.calls == (NOW - 10, NOW)
    assert store.up_to(key, NOW + 9000) is seen, "it stays where it was put"
    assert next_allowed(seen.attempts, NOW + LONGEST_RETRY_AFTER + 1) is None
    await store.close()
