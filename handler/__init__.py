"""
What a handler is written with: `from xyfleet.handler import Message, Account, Reply, HandOver` (docs/handlers.md).

A handler is `async def answer(message: Message, account: Account) -> Answer`. What stands in `__all__` is public: it
stays as it is documented. May use `xyfleet.worker`, which never uses it.
"""

from __future__ import annotations

from xyfleet.worker.handlers.api import Account, AskFailed
from xyfleet.worker.handlers.base import Answer, HandOver, Reply
from xyfleet.worker.protocol.message import HandedMessage as Message
from xyfleet.worker.protocol.message import Kind, OrderStatus, Role

__all__ = ["Account", "Answer", "AskFailed", "HandOver", "Kind", "Message", "OrderStatus", "Reply", "Role"]
