"""`restart` and `refresh` of many accounts in an outage: a person is asked, a script is refused (supervision.md 4)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.standin import StandIn, account, run, serving, until
from support.terminal import terminal


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    """Nine accounts, six of them in an outage."""
    return StandIn(tmp_path, [account(f"a{n}", tags=("out",) if n < 6 else ()) for n in range(9)])


@pytest.mark.parametrize("action", ["restart", "refresh"])
async def test_a_script_has_to_say_that_it_is_meant(control: StandIn, action: str) -> None:
    """Six are too many without a word, five are not; nobody else is touched by a refusal."""
    async with serving(control):
        ended = await run(control.folder, action, "*")
        assert (ended.code, control.acts) == (1, [])
        assert "6 of these accounts are in an outage" in ended.err
        assert "--yes" in ended.err
        for words in ((action, "*", "--yes"), (action, "a[0-4]", "a8")):
            assert (await run(control.folder, *words)).code == 0
    assert [len(names) for _, names, _ in control.acts] == [9, 6]


@pytest.mark.parametrize(("answer", "done"), [("n\r", False), ("\r", False), ("y\r", True)])
async def test_a_person_is_asked(control: StandIn, answer: str, done: bool) -> None:
    """In a terminal `y` does it, and whatever is no yes leaves all as it is."""
    async with serving(control, pid=os.getpid()):
        with terminal(control.folder, "refresh", "*") as shown:
            await shown.until(b"6 of these accounts are in an outage")
            await shown.until(b"[y/N]")
            await shown.type(answer)
            if done:
                await until(lambda: control.acts)
            else:
                await shown.until(b"nothing was done")
                assert await shown.end() == 1
    assert bool(control.acts) is done


async def test_other_commands_are_not_asked_about(control: StandIn) -> None:
    """A stop, and new connections, cost no login and are at once undone."""
    async with serving(control):
        for action in ("stop", "reconnect"):
            assert (await run(control.folder, action, "a?")).code == 0
