"""Processes that threads of a living supervisor wait for: nobody takes them for orphans, and none outlives the end."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from xyfleet.supervisor.common import own_children
from xyfleet.supervisor.handler_trials import process
from xyfleet.supervisor.runtime.orphans import Orphans
from xyfleet.supervisor.settings import Account

SLOW = """
import os, pathlib, time
pathlib.Path("begun").write_text(os.environ["XYFLEET_HELPER_OF"])
time.sleep({seconds})

async def answer(message, account):
    return None
"""


async def trial(folder: Path, seconds: float) -> asyncio.Task[process.Outcome]:
    """Have a thread try a handler that takes so long to be loaded, and return when it has begun."""
    (folder / "bot.py").write_text(SLOW.format(seconds=seconds))
    asked = process.trial_of(Account(name="a", where="f:1", handler="bot:answer"), folder, [])
    task = asyncio.create_task(asyncio.to_thread(process.run, asked, os.environ))
    while not (folder / "begun").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return task


async def test_a_trial_is_no_orphan(tmp_path: Path) -> None:
    """A worker ends while a reload tries a handler: the look for what it left behind lets the trial go on."""
    orphans = asyncio.create_task(Orphans().run())
    running = await trial(tmp_path, 1.0)
    own_children.note_death()

    outcome = await running
    orphans.cancel()

    assert outcome.result.trouble is None
    assert (tmp_path / "begun").read_text() == str(os.getpid()), "if we are killed, the next fleet knows whose it was"


async def test_a_trial_ends_with_the_fleet(tmp_path: Path) -> None:
    """The fleet's end does not leave a handler behind that hangs while it is tried."""
    orphans = Orphans()
    began = time.monotonic()
    running = await trial(tmp_path, 60.0)
    await orphans.close()

    outcome = await running

    assert "ended (-9)" in str(outcome.result.trouble)
    assert time.monotonic() - began < 20
