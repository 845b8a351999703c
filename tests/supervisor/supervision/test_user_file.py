"""The supervisor keeps the file of the fleet's users: one write for all that is learnt at a time."""

from __future__ import annotations

import asyncio

from xyfleet.supervisor.supervision.user_file import UserFile
from xyfleet.worker.fleet_users import packed


async def test_users_come_and_go() -> None:
    """What is learnt at one time is one write; what is known already is none (C2)."""
    written: list[bytes] = []
    users = UserFile(written.append)
    for name, user in (("a", "1"), ("b", None), ("c", "3"), ("a", "1")):
        users.put(name, user)
    await asyncio.sleep(0)
    users.put("a", "1")
    users.drop("b")
    await asyncio.sleep(0)
    users.put("b", "2")
    users.drop("a")
    await asyncio.sleep(0)

    assert written == [packed(["1", "3"]), packed(["2", "3"])]
