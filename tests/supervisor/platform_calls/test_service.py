"""Signed calls about items and orders, against the built-in gateway: who shares one, what holds the next one back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.asking import SHOP, UNB, desk
from support.gateway import Gateway
from xyfleet.supervisor.platform_calls import answers, apis
from xyfleet.supervisor.platform_calls.service import AskRefused, CallLimits, refused
from xyfleet.worker.reasons import Reason


def asked(gateway: Gateway) -> int:
    """Return how many calls the gateway saw."""
    calls: dict[str, int] = gateway.stats(UNB)["asks"]
    return sum(calls.values())


async def refusal(calls: Any, call: apis.ApiCall, asker: Any = SHOP) -> str:
    """Return the code of the refusal that a call must get."""
    with pytest.raises(AskRefused) as caught:
        await calls.ask(asker, call)
    return caught.value.reason.code


async def test_who_asks_the_same_shares_a_call(gateway: Gateway, tmp_path: Path) -> None:
    """Five who ask for one order, and one for another: two answers; the first post only renews what signs."""
    gateway.ask("POST", "shop", {"unb": UNB, "orders": [{"id": "51"}, {"id": "52"}]})
    async with desk(tmp_path, gateway) as it:
        found = await asyncio.gather(*(it.calls.ask(SHOP, apis.order("51")) for _ in range(5)))
        first = asked(gateway)
        await it.calls.ask(SHOP, apis.order("52"))

    assert {answers.order(each, "51") is not None for each in found} == {True}
    assert (first, asked(gateway)) == (2, 3)


async def test_a_text_about_checks_is_no_check(gateway: Gateway, tmp_path: Path) -> None:
    """What a seller writes into a description is not taken for the platform's own words."""
    gateway.ask("POST", "shop", {"unb": UNB, "items": [{"id": "9", "desc": "captcha x5sec punish rgv587"}]})
    async with desk(tmp_path, gateway) as it:
        assert (await it.calls.ask(SHOP, apis.item("9")))["itemDO"]["itemId"] == 9


@pytest.mark.parametrize("form", ["ret", "one", "rrxvv", "flag", "page", "redirect", "url"])
async def test_a_check_holds_calls_back(gateway: Gateway, tmp_path: Path, form: str) -> None:
    """After a check was asked for no call is made, by the next supervisor either, until there is another login."""
    told: list[str] = []
    async with desk(tmp_path, gateway) as it:
        it.calls.held = lambda name, reason: told.append(f"{name} {reason.code}")
        await it.calls.ask(SHOP, apis.item("1"))
        fault = gateway.fault(UNB, kind="ask_risk", form=form)
        codes = [await refusal(it.calls, apis.item("2"))]
    async with desk(tmp_path, gateway) as it:
        codes.append(await refusal(it.calls, apis.item("3")))
        made = asked(gateway)
        gateway.clear(fault)
        it.log_in("2")
        await it.calls.ask(SHOP, apis.item("2"))

    assert codes == ["ask_risk", "ask_risk"]
    assert told == ["shop ask_risk"]
    assert made == 3
    assert it.store.get("shop").verdict is None, "the token's calls are another matter"


@pytest.mark.parametrize(
    ("ret", "code", "next_code"),
    [
        ("FAIL_SYS_SESSION_EXPIRED::Session过期", "ask_login", "ask_login"),
        ("FAIL_SYS_FLOWLIMIT::x", "ask_slower", "ask_slower"),
        ("FAIL_SYS_ILLEGAL_ACCESS::非法请求", "ask_login", "ask_login"),
        ("FAIL_BIZ_ITEM_GONE::宝贝不存在", "ask_refused", None),
        ("FAIL_BIZ_COMMON_SYSTEM_ERROR2::x", "ask_network", None),
        ("FAIL_ODD::x", "ask_network", None),
    ],
)
async def test_refusals(gateway: Gateway, tmp_path: Path, ret: str, code: str, next_code: str | None) -> None:
    """What the platform says has a code; what asks for a pause gets one, what is about this one call does not."""
    async with desk(tmp_path, gateway) as it:
        await it.calls.ask(SHOP, apis.item("1"))
        gateway.fault(UNB, kind="ask_ret", ret=ret, count=2 if "ILLEGAL" in ret else 1)
        first = await refusal(it.calls, apis.item("2"))
        following = None
        try:
            await it.calls.ask(SHOP, apis.item("3"))
        except AskRefused as error:
            following = error.reason.code

    assert (first, following) == (code, next_code)


async def test_an_answer_under_an_older_login_is_nobodys(gateway: Gateway, tmp_path: Path) -> None:
    """The account gets another cookie while the answer is on its way: it is dropped, and so are its cookies."""
    async with desk(tmp_path, gateway) as it:
        await it.calls.ask(SHOP, apis.item("1"))
        gateway.fault(UNB, kind="ask_slow", seconds=0.2)
        call = asyncio.create_task(refusal(it.calls, apis.item("2")))
        await asyncio.to_thread(gateway.until, lambda: asked(gateway) == 3, "the call is under way")
        it.log_in("2")

        assert await call == "ask_stopped"


async def test_nobody_asks_who_may_not(gateway: Gateway, tmp_path: Path) -> None:
    """What forbids a call while it waits for its turn is asked again when the turn has come."""
    reasons = iter([None, "ask_outage"])

    def may() -> None:
        if code := next(reasons):
            raise refused(code)

    async with desk(tmp_path, gateway) as it:
        assert await refusal(it.calls, apis.item("1"), SHOP._replace(may=may)) == "ask_outage"
    assert asked(gateway) == 0


async def test_an_account_has_its_own_pace(gateway: Gateway, tmp_path: Path) -> None:
    """Beyond the burst calls wait for their turn, beyond the queue they are refused, and a day has its number."""
    limits = CallLimits(rate=20.0, burst=1, waiting=3, per_day=7)
    async with desk(tmp_path, gateway, limits) as it:
        await it.calls.ask(SHOP, apis.item("100"))  # two posts: the first renews what signs
        began = asyncio.get_running_loop().time()
        found = await asyncio.gather(
            *(it.calls.ask(SHOP, apis.item(str(number))) for number in range(1, 6)), return_exceptions=True
        )
        took = asyncio.get_running_loop().time() - began
        await it.calls.ask(SHOP, apis.item("6"))
        await it.calls.ask(SHOP, apis.item("7"))
        spent = await refusal(it.calls, apis.item("8"))

    codes = [each.reason.code for each in found if isinstance(each, AskRefused)]
    assert codes == ["ask_busy", "ask_busy"]
    assert took >= 0.1
    assert spent == "ask_budget"


async def test_no_answer(gateway: Gateway, tmp_path: Path) -> None:
    """A lost answer and an HTTP error are no answers; nobody knows what they did, unless nothing was sent."""
    async with desk(tmp_path, gateway, CallLimits(rate=0, timeout=0.3)) as it:
        await it.calls.ask(SHOP, apis.item("1"))
        for kind, more in (("ask_lost", {}), ("ask_http", {"status": 502}), ("ask_slow", {"seconds": 1.0})):
            fault = gateway.fault(UNB, kind=kind, **more)
            with pytest.raises(AskRefused) as caught:
                await it.calls.ask(SHOP, apis.item("2"))
            assert (caught.value.reason.code, caught.value.sure) == ("ask_network", False)
            gateway.clear(fault)
        it.tokens.url = "http://127.0.0.1:9/token/"
        with pytest.raises(AskRefused) as caught:
            await it.calls.ask(SHOP, apis.item("2"))
    assert caught.value.sure


def test_a_refusal_has_words() -> None:
    """It says why in its text."""
    assert str(AskRefused(Reason("ask_refused", {"words": "FAIL_BIZ_X::x"}))) == "the platform says no: FAIL_BIZ_X::x"
