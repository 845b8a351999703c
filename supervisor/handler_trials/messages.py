"""Made-up messages for trials. Pure."""

from __future__ import annotations

from typing import Final

from xyfleet.worker.protocol.message import HandedMessage, rfc3339

BUYER: Final = "2200000000099"
ITEM: Final = "900000000001"
ORDER: Final = "5100000000000000001"


def text(account: str, number: int, said: str, item: str, now: int) -> HandedMessage:
    """Return a buyer's text; `now` is in ms."""
    return _message(account, number, item, now, kind="text", text=said, content_type=1)


def image(account: str, number: int, address: str, item: str, now: int) -> HandedMessage:
    """Return a buyer's image."""
    return _message(account, number, item, now, kind="image", text=address, content_type=2)


def paid(account: str, number: int, item: str, now: int) -> HandedMessage:
    """Return the card that says that an order is paid; each has an order of its own."""
    return _message(
        account,
        number,
        item,
        now,
        kind="card",
        text="[我已付款，等待你发货]",
        content_type=26,
        order=f"{int(ORDER) + number}",
        order_status="paid",
        role="seller",
        buyer=BUYER,
    )


def _message(account: str, number: int, item: str, now: int, **fields: object) -> HandedMessage:
    return HandedMessage(
        account=account,
        id=f"try{number}.PNM",
        conversation="51000000001",
        item=item,
        sender=BUYER,
        sender_name="买家甲",
        time=rfc3339(now),
        attempt=1,
        **fields,  # type: ignore[arg-type]
    )
