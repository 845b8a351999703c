"""What the ready handler `deliver` answers to what tells of orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xyfleet.handler import AskFailed, Message, Reply
from xyfleet.handler.deliver import Deliver, Undeliverable
from xyfleet.worker.handlers.base import MAX_REPLY
from xyfleet.worker.ready_rules import Goods, ReadyRules


class Platform:
    """An account whose platform knows one order; what is done to it is noted."""

    name = "shop-001"

    def __init__(self, **order: Any) -> None:
        self._order = {"item": "900", "spec": None, "quantity": 1, "status": "paid"} | order
        self.told: list[str] = []
        self.shipped: list[str] = []

    async def order(self, id_: str) -> Any:
        """Return it."""
        return type("Order", (), self._order)

    async def ship(self, id_: str, *, later: bool) -> None:
        """Mark it as shipped when that may be; twice is an error."""
        assert later
        if id_ in self.shipped:
            raise AskFailed("refused", "shipped already")
        self.shipped.append(id_)

    def alert(self, text: str) -> None:
        """Note it."""
        self.told.append(text)


def paid(id_: str = "1.PNM", **fields: Any) -> Message:
    """Return a card that says an order is paid."""
    said = {"conversation": "c1", "item": "900", "kind": "card", "order": "o1", "order_status": "paid"}
    return Message(account="shop-001", id=id_, time="2026-01-01T00:00:00.000Z", **said | {"role": "seller"} | fields)


def delivery(folder: Path, keys: int = 3, **goods: Any) -> Deliver:
    """Return the handler of a shop with one cards file."""
    (folder / "cards.txt").write_text("".join(f"K{number}\n" for number in range(1, keys + 1)))
    entry = {"item": "900", "cards": str(folder / "cards.txt"), "reply": "keys:\n{keys}"} | goods
    return Deliver(ReadyRules(goods=(Goods(**entry),), ledger=str(folder / "delivered.txt")))


async def ask(deliver: Deliver, message: Message, platform: Platform) -> list[Reply] | None:
    """Call the handler."""
    return await deliver(message, platform)  # type: ignore[arg-type]


@pytest.mark.parametrize(("spec", "how"), [(None, "without a variant"), ("时长:年卡", "as '时长:年卡'")])
async def test_a_variant_that_is_not_listed(tmp_path: Path, spec: str | None, how: str) -> None:
    """A person sees what was bought, and which variants deliver.yml has; no key is used."""
    deliver, platform = delivery(tmp_path, spec="月卡"), Platform(spec=spec)
    with pytest.raises(Undeliverable, match=f"^item 900 was bought {how}; deliver.yml has only: 月卡$"):
        await ask(deliver, paid(), platform)


async def test_as_many_as_were_bought(tmp_path: Path) -> None:
    """The buyer gets a key for each piece, the order is marked, and a person hears that few are left."""
    platform = Platform(quantity=2)
    deliver = delivery(tmp_path, ship=True, alert_below=2)

    assert await ask(deliver, paid(), platform) == [Reply("keys:\nK1\nK2")]
    assert (platform.shipped, platform.told) == (["o1"], ["cards.txt: 1 keys are left"])


async def test_once(tmp_path: Path) -> None:
    """Another message of the order gets nothing; the same one, after a crash, the same keys, shipped or not."""
    platform, deliver = Platform(), delivery(tmp_path)
    first = await ask(deliver, paid(), platform)
    platform = Platform(status="shipped")

    assert await ask(deliver, paid("2.PNM", kind="order"), platform) is None
    assert await ask(deliver, paid(), platform) == first


@pytest.mark.parametrize("fields", [{"order_status": "created"}, {"role": "buyer"}, {"order": None}, {"item": "1"}])
async def test_what_is_none_of_its_business(tmp_path: Path, fields: dict[str, Any]) -> None:
    """What is not paid, bought by ourselves, named nowhere or of another item goes to the next handler."""
    assert await ask(delivery(tmp_path), paid(**fields), Platform()) is None
    assert (tmp_path / "cards.txt").read_text() == "K1\nK2\nK3\n"


@pytest.mark.parametrize("quantity", [None, 1])
@pytest.mark.parametrize("status", ["shipped", "refunded", "refunding", "closed"])
async def test_an_order_that_is_over(tmp_path: Path, status: str, quantity: int | None) -> None:
    """What was shipped by hand or refunded meanwhile is not delivered, and says why."""
    with pytest.raises(Undeliverable, match=status):
        await ask(delivery(tmp_path, quantity=quantity), paid(), Platform(status=status))


async def test_variants(tmp_path: Path) -> None:
    """Each variant has its own entry; one that has none is for a person."""
    deliver = delivery(tmp_path, spec="月卡")

    assert await ask(deliver, paid(), Platform(spec="月卡")) is not None
    with pytest.raises(Undeliverable, match="年卡"):
        await ask(deliver, paid("2.PNM", order="o2"), Platform(spec="年卡"))


@pytest.mark.parametrize("spec", ["月卡", "时长:月卡", "时长： 月卡"])
async def test_a_variant_as_a_person_writes_it(tmp_path: Path, spec: str) -> None:
    """The platform says `时长:月卡`; the value alone will do, in any width, and another value is another variant."""
    deliver = delivery(tmp_path, spec=spec)

    assert await ask(deliver, paid(), Platform(spec="时长:月卡")) is not None
    for other in ("时长:月卡 月卡", "时长:年卡", "月卡:年卡", None):
        with pytest.raises(Undeliverable):
            await ask(deliver, paid("2.PNM", order="o2"), Platform(spec=other))


async def test_the_whole_name_goes_before_its_value(tmp_path: Path) -> None:
    """Where both fit, the entry that names the variant in full is meant."""
    goods = [Goods(item="900", spec=spec, reply=spec, quantity=1) for spec in ("月卡", "时长:月卡")]
    deliver = Deliver(ReadyRules(goods=tuple(goods), ledger=str(tmp_path / "delivered.txt")))

    assert await ask(deliver, paid(), Platform(spec="时长:月卡")) == [Reply("时长:月卡")]


async def test_the_same_text_for_all(tmp_path: Path) -> None:
    """Without keys the text is the goods; it too goes out once."""
    deliver = delivery(tmp_path, cards=None, reply="https://example.invalid/x", quantity=1)

    assert await ask(deliver, paid(), Platform()) == [Reply("https://example.invalid/x")]
    assert await ask(deliver, paid("2.PNM"), Platform()) is None


async def test_another_item_than_the_talk_is_about(tmp_path: Path) -> None:
    """Who talks about a dear thing and buys a cheap one gets the cheap one, or nothing where that is not delivered."""
    goods = [Goods(item="900", reply="dear", quantity=1), Goods(item="901", reply="cheap", quantity=1)]
    deliver = Deliver(ReadyRules(goods=tuple(goods), ledger=str(tmp_path / "delivered.txt")))

    assert await ask(deliver, paid(item="900"), Platform(item="901")) == [Reply("cheap")]
    assert await ask(deliver, paid("2.PNM", order="o2", item="900"), Platform(item="7")) is None


async def test_goods_go_out_though_the_order_is_not_marked(tmp_path: Path) -> None:
    """What the platform refuses is told; the buyer has paid."""
    platform = Platform()
    platform.shipped.append("o1")

    assert await ask(delivery(tmp_path, ship=True), paid(), platform) == [Reply("keys:\nK1")]
    assert platform.told == ["order o1 is delivered, but not marked as shipped: shipped already"]


async def test_many_keys(tmp_path: Path) -> None:
    """Keys that do not fit into one message come in several."""
    (replies := await ask(delivery(tmp_path, keys=0), paid(conversation=None, item="1"), Platform()))
    assert replies is None
    deliver = delivery(tmp_path, quantity=100)
    (tmp_path / "cards.txt").write_text("".join(f"{number:060}\n" for number in range(100)))

    found = await ask(deliver, paid(), Platform())

    assert found is not None
    assert [len(str(reply.text).split()) for reply in found] == [66, 35]


async def test_more_keys_than_an_answer_has_room_for(tmp_path: Path) -> None:
    """They are the order's, and a person hears where they stand."""
    deliver = delivery(tmp_path, keys=0)
    (tmp_path / "cards.txt").write_text("".join(f"{number:0400}\n" for number in range(120)))

    with pytest.raises(Undeliverable, match="its 120 keys are too many to send"):
        await ask(deliver, paid(), Platform(quantity=120))


async def test_a_text_for_all_has_no_number(tmp_path: Path) -> None:
    """However many were bought, it is one line of the ledger."""
    deliver = delivery(tmp_path, cards=None, reply="the same")

    assert await ask(deliver, paid(), Platform(quantity=10**12)) == [Reply("the same")]
    assert len((tmp_path / "delivered.txt").read_text().splitlines()) == 1


@pytest.mark.parametrize("reply", ["说明" * 1950 + "{keys}", "说明" * 900 + "{keys}" + "说明" * 900, "{keys}\n{keys}"])
async def test_keys_below_a_long_text(tmp_path: Path, reply: str) -> None:
    """However long the text, every message can be sent, and each key is in one of them."""
    deliver = delivery(tmp_path, quantity=40, reply=reply)
    (tmp_path / "cards.txt").write_text("".join(f"{number:090}\n" for number in range(40)))

    found = await ask(deliver, paid(), Platform())

    assert found is not None
    texts = [str(each.text) for each in found]
    assert max(map(len, texts)) <= MAX_REPLY
    assert all(any(f"{number:090}" in text for text in texts) for number in range(40))
