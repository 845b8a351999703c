"""Handlers as users type them: mypy reads this file with all tests, and finds nothing to say. Never run."""

from __future__ import annotations

from collections.abc import Sequence

from xyfleet.handler import Account, Answer, HandOver, Kind, Message, OrderStatus, Reply, Role


async def text(message: Message, account: Account) -> str | None:
    """The simplest one."""
    kind: Kind = message.kind
    return f"{account.name} {account.label} {message.text}" if kind == "text" else None


async def all_of_it(message: Message, account: Account) -> Answer:
    """One that uses what there is."""
    lines: Sequence[str] = [part.text for part in message.parts]
    status: OrderStatus | None = message.order_status
    role: Role | None = message.role
    conversation: str | None = message.conversation
    if status == "paid" and role != "buyer" and conversation is not None:
        await account.send(conversation, "thanks")
        account.alert("somebody has paid")
        return [Reply(text="key"), Reply(image="guide.png", after=2), HandOver(minutes=30, why="asks")]
    return Reply("\n".join(lines)) if lines else HandOver(5)
