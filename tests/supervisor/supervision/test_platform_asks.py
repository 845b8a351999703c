"""Who may ask the platform, what is kept, and what is said of a refusal; against the built-in gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from support.gateway import Gateway
from support.platform import UNB, Rig
from xyfleet.supervisor.platform_calls.service import AskRefused
from xyfleet.supervisor.supervision.account_state import Condition, Login, Wish
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Answered, Ask
from xyfleet.worker.protocol.shop import Item

API = "mtop.taobao.idle.pc.detail"
ITEM = Ask(request=3, what="item", id="812")


@pytest.fixture
async def rig(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Rig]:
    """Give one whose store is closed afterwards."""
    it = Rig(tmp_path, gateway.token_url)
    yield it
    await it.close()


FORBID: dict[str, tuple[str, Callable[[Rig], object]]] = {
    "stopped": ("ask_stopped", lambda it: setattr(it.member, "condition", Condition(wish=Wish.STOPPED))),
    "removed": ("ask_stopped", lambda it: it.members.clear()),
    "a hook runs": ("ask_login", lambda it: setattr(it.member, "condition", Condition(login=Login.HOOK_RUNNING))),
    "risk": ("ask_risk", lambda it: it.verdict(Cause.RISK)),
    "dead login": ("ask_login", lambda it: it.verdict(Cause.AUTH)),
    "outage": ("ask_outage", lambda it: setattr(it, "troubled", True)),
}


@pytest.mark.parametrize("case", FORBID)
async def test_who_may_not_ask(gateway: Gateway, rig: Rig, case: str) -> None:
    """No call is made, not even for an answer that is kept."""
    code, forbid = FORBID[case]
    await rig.asks.ask(rig.member, ITEM)
    made = gateway.stats(UNB)["asks"]
    forbid(rig)
    for question in (ITEM, Ask(request=0, what="order", id="51"), Ask(request=0, what="ship", id="51")):
        with pytest.raises(AskRefused) as caught:
            await rig.asks.ask(rig.member, question)
        assert (caught.value.reason.code, caught.value.sure) == (code, True)

    assert gateway.stats(UNB)["asks"] == made


async def test_an_item_is_kept(gateway: Gateway, rig: Rig) -> None:
    """Asked for again within ten minutes it costs no call; what a worker gets has its question's number."""
    first = await rig.asks.ask(rig.member, ITEM)
    made = gateway.stats(UNB)["asks"]
    await rig.asks.answer(rig.member, rig, ITEM)  # type: ignore[arg-type]

    assert isinstance(first, Item)
    assert rig.told == [Answered(request=3, value=first)]
    assert gateway.stats(UNB)["asks"] == made


async def test_what_is_too_long_or_foreign_is_answered(gateway: Gateway, rig: Rig) -> None:
    """An answer that fits into no message to a worker has a code, and so has an API that is not named."""
    long = {"id": "9", "specs": [f"颜色:{'x' * 150}{number}" for number in range(1000)]}
    gateway.ask("POST", "shop", {"unb": UNB, "items": [long]})
    call = Ask(request=0, what="call", api=API, version="1.0", data='{"itemId":"9"}')
    await rig.asks.answer(rig.member, rig, call)  # type: ignore[arg-type]
    for odd in ({"api": "mtop.x"}, {"version": "1"}, {"data": "[]"}, {"data": "{"}):
        await rig.asks.answer(rig.member, rig, Ask(**{**as_dict(call), **odd}))  # type: ignore[arg-type]

    codes = [each.reason.code for each in rig.told if each.reason is not None]
    assert codes == ["ask_large", "ask_api", "ask_bad", "ask_bad", "ask_bad"]


async def test_a_check_is_told_to_a_person(gateway: Gateway, rig: Rig) -> None:
    """It is an event of the account, once for each hold."""
    gateway.fault(UNB, kind="ask_risk")
    for _ in range(2):
        with pytest.raises(AskRefused):
            await rig.asks.ask(rig.member, ITEM)

    assert rig.notes == ["message asks_check"]


def as_dict(question: Ask) -> dict[str, Any]:
    """Return a question's fields."""
    return {name: getattr(question, name) for name in question.__struct_fields__}
