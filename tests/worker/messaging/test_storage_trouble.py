"""While messages can't be stored the server ends one connection after the other: no fault of the account's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.gateway import Gateway
from support.station import FAST, FAST_PACE, UNB, Station, read_log, until
from xyfleet.worker.causes import Cause
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.states import State


@pytest.fixture
def dropping() -> Iterator[Gateway]:
    """Give a gateway that ends a connection on which a push stays unacked for a third of a second."""
    made = Gateway("--repush", "0.06", "--list-wait", "0")
    yield made
    made.close()


def losses(folder: Path) -> list[dict[str, Any]]:
    """Return the log's lines of connections that were lost."""
    return [line for line in read_log(folder, "连接状态变更") if line["new"] == "RECONNECTING"]


async def test_storage_trouble_is_no_failure(dropping: Gateway, tmp_path: Path) -> None:
    """H2: losses do not count while the disk refuses, so no ladder begins; they are of a cause of their own."""
    (tmp_path / "inbox").write_text("in the way")
    cycle = msgspec.structs.replace(FAST, max_connection_failures=2, stable_after=5.0)
    mail = MailSettings(file=str(tmp_path / "inbox" / "a0.db"))
    async with Station(dropping.endpoint, tmp_path, cycle=cycle, mail=mail) as station:
        await station.reach(State.CONNECTED)
        async with asyncio.timeout(15):
            while len(losses(tmp_path)) < 3:
                dropping.push(UNB, "hello")
                await asyncio.sleep(0.1)
        lost = losses(tmp_path)
        failures = station.last.failures
        (tmp_path / "inbox").unlink()
        await until(lambda: station.last.mail.stored >= 1, 15)
        await until(lambda: station.last.mail.trouble is None)
        states = {line["new"] for line in read_log(tmp_path, "连接状态变更")}

    assert len(lost) >= 3
    assert {line["cause"] for line in lost} == {Cause.STORAGE}
    assert "can't be stored" in lost[0]["reason"]
    assert (failures, "FAILED" in states) == (0, False)


async def test_a_kick_out_is_one_whatever_the_disk_says(dropping: Gateway, tmp_path: Path) -> None:
    """H2: what ends an account for good does so while nothing can be stored, too."""
    (tmp_path / "inbox").write_text("in the way")
    mail = MailSettings(file=str(tmp_path / "inbox" / "a0.db"))
    async with Station(dropping.endpoint, tmp_path, pace=FAST_PACE, mail=mail) as station:
        await station.reach(State.CONNECTED)
        dropping.push(UNB, "hello")
        await until(lambda: station.last.mail.trouble is not None)
        dropping.fault(UNB, kind="kickout")
        await until(lambda: station.last.failures == 1)
