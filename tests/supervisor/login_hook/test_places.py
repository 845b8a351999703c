"""Places for login hooks are given in order, and who waits is told his place."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from support.hooks import COOKIE, Service
from support.station import until
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.request import HookAccount
from xyfleet.worker.causes import Cause


async def test_places_are_given_in_order(service: Service, store: Store, tmp_path: Path) -> None:
    """First come, first served; the number is that of now, and the seconds are told as soon as a run was timed."""
    hooks = service("while not os.path.exists('go'): time.sleep(0.01)\nos.remove('go')\nsay()", max_concurrent=1)
    names = [f"a{number}" for number in range(3)]
    ran: list[str] = []
    asking = []
    for name in names:
        store.adopt(name, COOKIE, "file")
        account = HookAccount(name=name, user_agent="A")
        asking.append(asyncio.create_task(hooks.run(account, Cause.AUTH, 0, partial(ran.append, name))))
    await until(lambda: ran == ["a0"])
    assert {name: str(wait) for name, wait in hooks.waits().items()} == {
        "a1": "waits for turn 1 of the login hook",
        "a2": "waits for turn 2 of the login hook",
    }
    (tmp_path / "go").touch()
    await until(lambda: ran == ["a0", "a1"])
    assert str(hooks.waits()["a2"]).startswith("waits for turn 1 of the login hook, about ")
    (tmp_path / "go").touch()
    await until(lambda: ran == names)
    (tmp_path / "go").touch()
    await asyncio.gather(*asking)
    assert (ran, hooks.waits()) == (names, {})
