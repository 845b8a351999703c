"""Finding 36: a directory server that does not answer holds no request up, and the loop never."""

from __future__ import annotations

import os
import pwd
import threading
import time

from xyfleet.supervisor.api.user_names import UserNames


async def test_a_name() -> None:
    """The system's, or the number of a user without one."""
    names = UserNames()
    assert await names.of(os.getuid()) == pwd.getpwuid(os.getuid()).pw_name
    assert await names.of(3_999_999) == "uid 3999999"


async def test_a_name_that_does_not_come() -> None:
    """He is called by his number meanwhile, one question is enough, and the name counts when it has come."""
    answered, asked = threading.Event(), []

    def ask(uid: int) -> str:
        asked.append(uid)
        answered.wait(10)
        return "li"

    names = UserNames(ask, patience=0.05)
    began = time.monotonic()
    assert [await names.of(7) for _ in range(3)] == ["uid 7"] * 3
    assert time.monotonic() - began < 2
    answered.set()
    while await names.of(7) != "li":
        assert time.monotonic() - began < 10
    assert asked == [7]
