"""What the ready handler `keywords` answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from xyfleet.handler import Account, Message, Reply
from xyfleet.handler.keywords import Keywords, Once, folded
from xyfleet.worker.ready_rules import Hours, ReadyRules, Rule

NOBODY = cast("Account", None)


def said(text: str, **fields: Any) -> Message:
    """Return a buyer's text."""
    about = {"id": "1.PNM", "conversation": "c1", "kind": "text"} | fields
    return Message(account="a", text=text, time="2026-01-01T00:00:00.000Z", **about)


def hours(now: datetime, shift: int) -> Hours:
    """Return the two hours around a time, moved by so many hours."""
    minute = now.hour * 60 + now.minute + shift * 60
    return Hours((minute - 60) % 1440, (minute + 60) % 1440)


async def test_the_first_rule_that_fits() -> None:
    """Words, in any case, width and with blanks; items; else the next rule; and no other kinds than texts."""
    keywords = Keywords(
        ReadyRules(
            rules=(
                Rule(name="1", words=("包邮",), items=("900",), reply="包"),
                Rule(name="2", words=("在吗", "Hello"), reply="在", image="a.png"),
                Rule(name="3", words=("包邮",), reply="不包"),
            )
        )
    )
    answers = [
        await keywords(message, NOBODY)
        for message in (
            said("ＨＥＬＬＯ there"),
            said("包 邮 吗", item="900"),
            said("包邮吗"),
            said("?"),
            said("在吗", kind="image"),
        )
    ]

    assert answers == [Reply("在", "a.png"), Reply("包"), Reply("不包"), None, None]


async def test_hours() -> None:
    """A rule holds in its part of the day, over midnight too."""
    now = datetime.now(UTC)
    for shift, reply in ((0, Reply("x")), (3, None), (12, None)):
        rules = ReadyRules(rules=(Rule(name="n", hours=hours(now, shift), reply="x"),), timezone="UTC")
        assert await Keywords(rules)(said("hi"), NOBODY) == reply


@pytest.mark.parametrize("nightly", [False, True])
async def test_once(tmp_path: Path, nightly: bool) -> None:
    """A conversation gets it once, over restarts too; the same message, after a crash, gets it again."""
    rules = ReadyRules(
        rules=(Rule(name="hi", once=True, nightly=nightly, reply="x"),), memory=str(tmp_path / "m"), timezone="UTC"
    )
    first = Keywords(rules)
    assert await first(said("hi"), NOBODY) == Reply("x")
    assert await first(said("hi", id="2.PNM"), NOBODY) is None
    again = Keywords(rules)

    assert await again(said("hi", id="3.PNM"), NOBODY) is None
    assert await again(said("hi", id="1.PNM"), NOBODY) == Reply("x")
    assert await again(said("hi", id="4.PNM", conversation="c2"), NOBODY) == Reply("x")


def test_half_a_line_of_the_memory(tmp_path: Path) -> None:
    """What a crash left of a line is not believed."""
    (tmp_path / "m").write_text("c1\thi\t1.PNM\nc2\thi\t2")

    assert not Once(str(tmp_path / "m")).may("c1", "hi", "9.PNM")
    assert Once(str(tmp_path / "m")).may("c2", "hi", "9.PNM")


def test_folded() -> None:
    """Width, case and blanks do not count."""
    assert folded("Ｖ x\n１") == "vx1"
