"""S11, S12: cards and notices of orders in the shapes that were captured."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import msgspec
import pytest

from xyfleet.supervisor.simulator.compose import Composed, Wanted, compose
from xyfleet.supervisor.simulator.trade import STAGES

ME = "2200000000001"
ORDER = "5100000000000000001"


def made(**wanted: Any) -> Composed:
    """Compose one item for the account ME."""
    return compose(Wanted(order=ORDER, **wanted), ME, "3900000000001.PNM", 1767225600123)


def payload(composed: Composed) -> Any:
    """Return what the item carries."""
    return msgspec.msgpack.decode(base64.b64decode(composed.item["data"]), strict=False)


def test_every_stage_can_be_asked_for() -> None:
    """The words of `status` are the table's."""
    assert set(get_args(next(field.type for field in msgspec.structs.fields(Wanted) if field.name == "status"))) == set(
        STAGES
    )


def test_card_names_its_order_where_programs_look() -> None:
    """S12: in the card's address and in the updateKey, with the stage's red reminder and a headline for a name."""
    inner = payload(made(type="card", status="paid"))[1]
    card = json.loads(inner[6][3][5])["dxCard"]["item"]["main"]
    extra = json.loads(inner[10]["extJson"])

    assert card["targetUrl"] == f"fleamarket://order_detail?id={ORDER}&role=seller"
    assert extra["updateKey"] == f"51000000001:{ORDER}:63:TRADE_PAID_DONE_SELLER:26"
    assert (inner[10]["redReminder"], inner[10]["reminderTitle"]) == ("等待卖家发货", "买家已付款")
    assert inner[7] == 1


def test_nested_card_is_one_level_deeper() -> None:
    """The second envelope: 7 beside it, times as text."""
    outer = payload(made(type="card", status="paid", form="nested"))[1]

    assert outer[7] == 1
    assert outer[1][5] == "1767225600123"
    assert outer[1][10]["reminderContent"] == "[我已付款，等待你发货]"


@pytest.mark.parametrize("status", ["shipped", "closed"])
def test_own_act_comes_with_own_id_and_no_order(status: str) -> None:
    """A tip: who acted is its sender, and no order is named."""
    inner = payload(made(type="card", status=status))[1]

    assert inner[10]["senderUserId"] == ME
    assert inner[6][3][4] == 14
    assert ORDER not in str(inner)


def test_update_names_the_card_that_it_changes() -> None:
    """Its first field is that card's id; it is no message of its own."""
    composed = made(type="update", id="77.PNM", status="paid")
    inner = payload(composed)

    assert (inner[1], inner[2], inner[3]) == ("77.PNM", "51000000001@goofish", 1)
    assert inner[4]["redReminder"] == "等待卖家发货"
    assert composed.message is None


def test_order_notice_and_context_are_of_a_conversation() -> None:
    """S11: `1` is the conversation; the context names buyer, item and order."""
    notice, context = payload(made(type="order")), payload(made(type="context"))

    assert notice[1] == context[1] == "51000000001@goofish"
    assert context[3]["orderId"] == ORDER
    assert context[3]["extUserId"] == "3300000000002"


def test_orders_differ_unless_they_are_named() -> None:
    """Two cards are of two orders, each of 19 digits."""
    orders = {compose(Wanted(type="card"), ME, f"{n}.PNM", 1).message.trade.order for n in range(50)}  # type: ignore[union-attr]

    assert len(orders) == 50
    assert {len(order) for order in orders} == {19}
