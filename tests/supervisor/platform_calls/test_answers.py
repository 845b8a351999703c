"""What answers about items and orders say: the shapes of docs/protocol.md, and anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.places import TESTS
from xyfleet.supervisor.platform_calls import answers
from xyfleet.worker.protocol.shop import Item, Order, Spec

SAMPLES: dict[str, Any] = json.loads((TESTS / "vectors" / "shop_answers.json").read_text("utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "itemDO",
                    "skuList",
                    "propertyList",
                    "module",
                    "items",
                    "commonData",
                    "components",
                    "data",
                    "itemInfo",
                    "orderInfoList",
                    "orderId",
                    "priceVO",
                    "buyNum",
                    "soldPrice",
                    "createTime",
                    "itemId",
                    "status",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def test_an_item() -> None:
    """Title, price, description, stock and variants are read."""
    assert answers.item(SAMPLES["item"], "900000000001") == Item(
        id="900000000001",
        title="测试商品",
        price="12.50",
        description="第一行\n第二行",
        stock=7,
        seller="2200000000001",
        status="在线",
        specs=[Spec(id="7001", name="颜色:红", price="12.50", stock=3), Spec(id="7002", name="颜色:蓝 尺寸:大")],
    )
    assert answers.item(SAMPLES["item"], "900000000002") is None, "another one was asked for"


def test_an_order() -> None:
    """Item, variant, quantity, amount, buyer and state are read; the state by its words, else by its number."""
    wanted = Order(
        id="5100000000000000001",
        item="900000000001",
        title="测试商品",
        spec="颜色:红",
        quantity=2,
        amount="25.00",
        buyer="3300000000002",
        buyer_name="买家甲",
        status="paid",
        status_text="待发货",
        time="2026-01-01T00:00:00.000Z",
    )
    wordless = SAMPLES["order"] | {"utArgs": {}, "status": "3"}
    told = answers.order(wordless, wanted.id)

    assert answers.order(SAMPLES["order"], wanted.id) == wanted
    assert told is not None
    assert (told.status, told.status_text) == ("shipped", "")
    assert answers.order(SAMPLES["order"], "5100000000000000002") is None


def test_a_page_of_orders() -> None:
    """Each row is an order; one that asks for its money back does not wait for shipment; addresses are not read."""
    page = answers.sold(SAMPLES["sold"])

    assert page is not None
    assert page.more
    assert [(each.id, each.status, each.quantity, each.amount, each.buyer, each.time) for each in page.orders] == [
        ("5100000000000000001", "paid", 2, "25.00", "3300000000002", "2026-01-01T00:00:00.000Z"),
        ("5100000000000000002", "refunding", 1, "9.9", "3300000000003", None),
    ]
    assert "13800000000" not in repr(page)
    assert answers.sold({"module": {"items": None, "nextPage": False}}) is not None, "null is an empty list"
    assert answers.sold({"module": {}}) is None, "an answer without a list is none"


def test_the_list_of_a_seller_without_a_shop() -> None:
    """Its rows have other names for the same."""
    page = answers.sold_plain(SAMPLES["sold_plain"])

    assert page is not None
    assert [(each.id, each.status, each.quantity, each.amount) for each in page.orders] == [
        ("5100000000000000003", "paid", 1, "3.00")
    ]


@pytest.mark.parametrize(
    ("read", "data"),
    [(answers.sold, {"module": {"items": [{"id": "51"}]}}), (answers.sold_plain, {"items": [{"id": "51"}]})],
)
def test_a_list_of_which_nothing_can_be_read(read: Any, data: Any) -> None:
    """It is no list: an empty one would say that no order waits."""
    assert read(data) is None


@given(JSON)
@pytest.mark.parametrize("read", [answers.sold, answers.sold_plain])
def test_nothing_raises(read: Any, data: Any) -> None:
    """Whatever comes is read, or is nothing."""
    read(data)
    answers.item(data, "1")
    answers.order(data, "1")
