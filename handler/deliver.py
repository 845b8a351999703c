"""`handler: deliver`: paid orders get what deliver.yml says, once. A program on the public API."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from xyfleet.handler import Account, AskFailed, Message, Reply
from xyfleet.handler.keywords import folded
from xyfleet.handler.ledger import Ledger, Sale, Taken
from xyfleet.worker.handlers.base import MAX_REPLY, MOST_REPLIES
from xyfleet.worker.ready_rules import Goods, ReadyRules

_KEYS: Final = "{keys}"
_TO_BE_SHIPPED: Final = (None, "paid")
"""What an order may have become, for its goods to go out."""


class Undeliverable(Exception):
    """What a person must see to; the words say what."""


class _Bought(NamedTuple):
    """What is known of an order."""

    item: str | None
    spec: str | None
    quantity: int | None
    status: str | None


class Deliver:
    """The deliveries of one account."""

    def __init__(self, ready: ReadyRules) -> None:
        self._goods = ready.goods
        self._ledger = Ledger(Path(ready.ledger))

    async def __call__(self, message: Message, account: Account) -> list[Reply] | None:
        """
        Deliver to who has paid; whatever tells of an order, and how often, it is delivered once.

        A notice that names no order is left to the order's card, or to the list of the orders that wait.
        """
        if message.order_status != "paid" or message.role == "buyer" or message.order is None:
            return None
        if message.item is not None and not self._of(message.item):
            return None
        sale = Sale(message.order, account.name, message.id)
        holder = self._ledger.holder(sale.order)
        if holder is not None and holder != message.id:
            return None
        bought = await self._bought(message, account)
        if (goods := self._chosen(bought)) is None:
            return None
        if message.conversation is None:
            raise Undeliverable(f"order {sale.order} is paid, but it is not said in which conversation")
        if holder is None and bought.status not in _TO_BE_SHIPPED:
            raise Undeliverable(f"order {sale.order} is {bought.status}: nothing was delivered")
        taken = self._ledger.take(sale, None if goods.cards is None else Path(goods.cards), _count(goods, bought))
        if taken is None:
            return None
        _tell_of_few(goods, taken, account)
        if goods.ship:
            await _ship(sale.order, account)
        return _texts(goods, taken, sale.order)

    async def _bought(self, message: Message, account: Account) -> _Bought:
        """
        Return what the platform says of the order now; what a message says may be of another day, or another item.

        A talk has one item, and its orders may be of others; an order that waited may be refunded by now.
        """
        order = await account.order(message.order or "")
        return _Bought(order.item or message.item, order.spec, order.quantity, order.status)

    def _of(self, item: str) -> list[Goods]:
        return [goods for goods in self._goods if goods.item == item]

    def _chosen(self, bought: _Bought) -> Goods | None:
        """Return the entry for what was bought, that of its variant before one for all; None = not one for its item."""
        entries = [] if bought.item is None else self._of(bought.item)
        fitting = [one for spec in _specs(bought.spec) for one in entries if one.spec and folded(one.spec) == spec]
        fitting += [one for one in entries if one.spec is None]
        if entries and not fitting:
            how = f"as {bought.spec!r}" if bought.spec else "without a variant"
            listed = ", ".join(one.spec or "" for one in entries)
            raise Undeliverable(f"item {bought.item} was bought {how}; deliver.yml has only: {listed}")
        return fitting[0] if fitting else None


def _specs(bought: str | None) -> tuple[str, ...]:
    """Return how deliver.yml may write a variant, which the platform calls `时长:月卡`: whole, or its value alone."""
    whole = folded(bought or "")
    return whole, whole.partition(":")[2]


def _count(goods: Goods, bought: _Bought) -> int:
    """Return how many keys it is; without keys everybody gets the same, once."""
    if goods.cards is None:
        return 1
    return goods.quantity or bought.quantity or 1


def _tell_of_few(goods: Goods, taken: Taken, account: Account) -> None:
    if goods.cards is not None and taken.left is not None and taken.left < goods.alert_below:
        account.alert(f"{Path(goods.cards).name}: {taken.left} keys are left")


async def _ship(order: str, account: Account) -> None:
    """Have the order marked as shipped when it may be; that it can't be is told, and does not keep the goods back."""
    try:
        await account.ship(order, later=True)
    except AskFailed as error:
        account.alert(f"order {order} is delivered, but not marked as shipped: {error}")


def _texts(goods: Goods, taken: Taken, order: str) -> list[Reply]:
    """Return the text with its keys, in several messages where they are many or the text is long."""
    if goods.cards is None:
        return [Reply(goods.reply)]
    pieces: list[str] = [""]
    room = (MAX_REPLY - len(goods.reply.replace(_KEYS, ""))) // goods.reply.count(_KEYS)
    for key in taken.keys:
        if len(pieces[-1]) + len(key) >= room:
            pieces.append("")
            room = MAX_REPLY
        pieces[-1] += f"\n{key}" if pieces[-1] else key
    if len(pieces) > MOST_REPLIES:
        count = len(taken.keys)
        raise Undeliverable(f"order {order}: its {count} keys are too many to send; they stand in delivered.txt")
    return [Reply(goods.reply.replace(_KEYS, pieces[0])), *map(Reply, pieces[1:])]


def make(ready: ReadyRules) -> Deliver:
    """Return the handler of one account."""
    return Deliver(ready)
