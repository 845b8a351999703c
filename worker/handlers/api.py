"""What a Python handler gets beside the message: its account, and a way to send more. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from xyfleet.worker.handlers.base import HandlerFailed, Reply, checked

__all__ = ["Account", "Reply"]

Send = Callable[[str, str], Coroutine[Any, Any, bool]]
"""Puts a text for a conversation into the outbox; returns whether somebody is known there to send it to."""


class Account:
    """What a handler gets beside the message."""

    def __init__(self, name: str, label: str, send: Send) -> None:
        self.name = name
        """Its name in the accounts file."""
        self.label = label
        self._send = send
        self._loop = asyncio.get_running_loop()

    async def send(self, conversation: str, text: str) -> None:
        """
        Send a further message; returns when it is in the outbox for good, that is before it is sent.

        Raises:
            ValueError: the text can't be sent, it is too long for example.
            LookupError: no message of this conversation has come in yet, so that nobody is known there.
        """
        if not isinstance(text, str) or not text:
            raise ValueError(f"account.send() got {type(text).__name__ if text else 'no text'}, expected a text")
        try:
            fit = checked(text) or ""
            assert isinstance(fit, str), "it was a text"
        except HandlerFailed as error:
            raise ValueError(error.reason.replace("returned", "account.send() got")) from None
        taken = asyncio.run_coroutine_threadsafe(self._send(conversation, fit), self._loop)
        if not await asyncio.wrap_future(taken):
            raise LookupError(f"nobody is known in conversation {conversation}: no message of it is in the inbox")
