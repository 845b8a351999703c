"""Which hook runs are remembered (finding 26)."""

from __future__ import annotations

from pathlib import Path

from support.hooks import Service, run
from support.records import change
from xyfleet.supervisor.credentials.record import Attempt
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.policy import left_today

NOTHING = "say()"


async def test_none_of_a_days_runs_is_forgotten(service: Service, store: Store, tmp_path: Path) -> None:
    """Many runs, and many that could not even start, push no run of this day out of the record."""
    hooks = service(NOTHING)
    await run(hooks)
    (first,) = store.get("shop").attempts
    now = first.start
    ran = [Attempt(start=now - 80_000 + number, ok=True) for number in range(100)]
    failed = [Attempt(start=now - 70_000 + number, ran=False) for number in range(100)]
    old = [Attempt(start=now - 200_000 + number) for number in range(100)]
    change(store, "shop", attempts=(*old, *ran, *failed, first))
    await run(hooks)
    kept = store.get("shop").attempts

    assert left_today(kept, now + 1, budget=200) == 200 - 102
    assert len(kept) == 102
