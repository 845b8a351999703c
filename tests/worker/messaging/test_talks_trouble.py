"""Recalls in every trouble: what is said of each is true, and none is asked twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from support.gateway import Gateway
from support.imclient import UNB
from support.talkdesk import TalkingDesk, said
from xyfleet.worker.ipc.talks import RecallMessage
from xyfleet.worker.protocol import talk_calls

TROUBLES: dict[str, dict[str, Any]] = {
    "none": {},
    "refused": {"kind": "call_refused", "lwp": "*/recall*", "count": 1},
    "swallowed": {"kind": "call_silent", "lwp": "*/recall*", "count": 1},
    "unanswered": {"kind": "call_silent", "lwp": "*/recall*", "count": 1, "done": True},
    "unregistered": {"kind": "call_401", "count": 1},
    "unknown call": {"kind": "call_refused", "lwp": talk_calls.RECALL, "count": 1, "code": 404},
}


async def test_what_is_said_is_true(gateway: Gateway, tmp_path: Path) -> None:
    """`done` was carried out, what is certain to have changed nothing was not; the rest says that it is unknown."""
    chance = random.Random(9)
    told: dict[str, str] = {}
    async with TalkingDesk(gateway, tmp_path) as desk:
        for number in range(20):
            await desk.disconnect()
            await desk.connect()
            trouble = chance.choice(list(TROUBLES))
            if TROUBLES[trouble]:
                gateway.fault(UNB, **TROUBLES[trouble])
            own = said(gateway, f"第{number}句", type="echo")
            asking = asyncio.create_task(desk.ask(RecallMessage(own)))
            if chance.random() < 0.4:
                await desk.until(lambda: asking.done() or asked(desk)[-1:] == [own], "it is asked")  # noqa: B023
                gateway.drop(UNB)
            told[own] = (await asking).state
            gateway.clear()
        calls = asked(desk)
    gone = {one["id"] for one in gateway.messages(UNB) if one["recalled"]}
    states = set(told.values())

    assert {"done", "unknown"} < states
    assert [own for own, state in told.items() if state == "done" and own not in gone] == []
    assert [own for own, state in told.items() if state not in ("done", "unknown") and own in gone] == []
    assert len(calls) == len(set(calls))


def asked(desk: TalkingDesk) -> list[str]:
    """Return which messages were asked to be recalled."""
    return [body[1] for body in desk.calls(talk_calls.RECALL)]
