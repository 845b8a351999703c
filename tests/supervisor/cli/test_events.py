"""`xyfleet events`: what happened, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.standin import StandIn, begin, run, serving, until


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    one = StandIn(tmp_path)
    one.events.add("state", "a", time=0, old="CONNECTED", new="RECONNECTING", cause="heartbeat", label="旗舰店")
    one.events.add("outage", time=1, new="begun", cause="network", accounts=7)
    return one


async def test_events_are_told(control: StandIn) -> None:
    """Lines for people, in the fleet's time zone and the language asked for."""
    async with serving(control):
        english, chinese = await run(control.folder, "events"), await run(control.folder, "events", "--lang", "zh")

    assert english.code == 0
    assert english.out.splitlines()[0] == ("01-01 08:00:00  a (旗舰店)  connection lost: heartbeats stay unanswered")
    assert "全体  大面积故障，影响7个账号：连不上服务器" in chinese.out


async def test_events_as_json(control: StandIn) -> None:
    """Programs get one object a line."""
    async with serving(control):
        ended = await run(control.folder, "events", "--json")

    assert [json.loads(line)["kind"] for line in ended.out.splitlines()] == ["state", "outage"]


@pytest.mark.parametrize("words", [["--json"], []])
async def test_follow_ends_with_the_fleet(control: StandIn, words: list[str]) -> None:
    """New events come at once, and the end of the fleet ends the command with its own code."""
    async with serving(control):
        process = await begin(control.folder, "events", "-f", *words)
        assert process.stdout is not None
        assert b"RECONNECTING" in await process.stdout.readline() or not words
        await process.stdout.readline()
        control.events.add("message", time=2, reason="news")
        assert b"news" in await process.stdout.readline()
    _, err = await process.communicate()

    assert process.returncode == 7
    assert err == b"xyfleet: the fleet has ended\n"


async def test_stream_that_breaks_off_is_a_failure(control: StandIn) -> None:
    """A follower that was dropped while the fleet runs on is told so, and not that the fleet ended."""
    async with serving(control):
        process = await begin(control.folder, "events", "-f", "--json")
        await until(lambda: control.events.followers)
        control.events.close()
        _, err = await process.communicate()

    assert process.returncode == 1
    assert b"broke off" in err
