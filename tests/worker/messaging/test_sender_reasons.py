"""What of a server's words for a refused text is kept: one short line without the account's secrets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.gateway import Gateway
from support.imclient import UNB
from support.maildesk import Desk
from xyfleet.worker.secret import Secret
from xyfleet.worker.text import MAX_REASON

pytestmark = pytest.mark.pythons


async def test_reason_is_masked_and_then_cut(fresh_gateway: Gateway, tmp_path: Path) -> None:
    """A token at the cut is not half shown, neither in the outbox nor in the log (B10)."""
    token = "+".join(f"part{number:03d}" for number in range(50))
    async with Desk(fresh_gateway, tmp_path) as desk:
        desk.log.hide(Secret(token))
        await desk.connect()
        fault = fresh_gateway.fault(UNB, kind="send_rejected", reason=f"no,\n{'x' * 100} {token} {'y' * 5000}")
        letter = (await desk.outbox.queue("51000000009", "在的", "3300000000009")).letter
        assert letter is not None
        async with asyncio.timeout(5):
            end = await desk.outbox.settled(letter.number)
        fresh_gateway.clear(fault)

    assert end.reason is not None
    assert end.reason.startswith(f"no, {'x' * 100} *** yyy")
    assert len(end.reason) == MAX_REASON
    assert "part00" not in (tmp_path / "a0.log").read_text()
