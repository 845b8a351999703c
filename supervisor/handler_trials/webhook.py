"""Tries a webhook: the real POST, signed as always, with made-up messages. Shell (HTTP)."""

from __future__ import annotations

import time

import msgspec

from xyfleet.supervisor.settings import Webhook
from xyfleet.supervisor.tokens.egress import tls_context
from xyfleet.supervisor.webhooks.client import CallFailed, NoTurn, WebhookClient
from xyfleet.worker.handlers.trial import TrialResult, Tried
from xyfleet.worker.protocol.message import HandedMessage


async def run(hook: Webhook, messages: list[HandedMessage], timeout: float) -> TrialResult:
    """Post the messages one after the other, each within `timeout` seconds."""
    client = WebhookClient(tls_context(None))
    try:
        return TrialResult(tried=[await _post(client, hook, each, timeout) for each in messages])
    finally:
        await client.close()


async def _post(client: WebhookClient, hook: Webhook, message: HandedMessage, timeout: float) -> Tried:
    began = time.monotonic()
    try:
        answer, failed = await client.call(hook, msgspec.json.encode(message), timeout), None
    except CallFailed as error:
        answer, failed = None, error.reason
    except NoTurn as error:
        answer, failed = None, str(error)
    return Tried(answer=answer, failed=failed, seconds=time.monotonic() - began)
