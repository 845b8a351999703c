"""`xyfleet stop` without a name: a person is asked, a script is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.standin import StandIn, account, run, serving, until
from support.terminal import terminal


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, [account("a")])


@pytest.mark.parametrize("answer", ["\r", "n\r", "stop\r"])
async def test_a_person_who_does_not_say_yes_ends_nothing(control: StandIn, answer: str) -> None:
    """Enter alone, and whatever is no yes, leaves the fleet as it is."""
    async with serving(control, pid=os.getpid()):
        with terminal(control.folder, "stop") as shown:
            await shown.until(b"End the whole fleet shops")
            await shown.type(answer)
            await shown.until(b"nothing was done")
            assert await shown.end() == 1

    assert control.stopped_by is None


@pytest.mark.parametrize("words", [("stop",), ("stop", "--yes")])
async def test_a_person_who_says_yes_ends_the_fleet(control: StandIn, words: tuple[str, ...]) -> None:
    """`y` or `--yes` ends it."""
    async with serving(control, pid=os.getpid()):
        with terminal(control.folder, *words) as shown:
            if "--yes" not in words:
                await shown.until(b"[y/N]")
                await shown.type("y\r")
            await until(lambda: control.stopped_by)
            assert b"nothing was done" not in shown.text


async def test_reload_says_that_it_is_meant(control: StandIn) -> None:
    """`reload --yes` hands the word on; without it nothing is meant."""
    async with serving(control):
        for words, sure in ((("reload",), False), (("reload", "--yes"), True)):
            ended = await run(control.folder, *words)
            assert (ended.code, control.sure) == (0, sure)
