"""What is done for an account ends with its worker, and what is known of it with the account."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.supervision.account_state import Wish, Worker
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.messages import TicketRequest

ACCOUNTS = [{"name": f"a{number}", "cookie": f"unb=22{number}; cookie2=x"} for number in range(2)]


class Child:
    """Stands where a worker's process would."""

    def send(self, message: object) -> bool:
        """Take it."""
        return True


@pytest.mark.parametrize("worker", [Worker.LIVE, Worker.STOPPING])
async def test_who_is_on_his_way_out_gets_no_ticket(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch, worker: Worker
) -> None:
    """A request that crosses the stop would have its token call made after the worker's end, for nobody."""
    async with idle_fleet(tmp_path, forkserver, ACCOUNTS) as fleet:
        calls: list[str] = []

        async def get(account: Any, *_: Any) -> Any:
            calls.append(account.name)
            await asyncio.Event().wait()

        monkeypatch.setattr(fleet.tokens, "get", get)
        member, child = fleet.members["a0"], cast(WorkerProcess, Child())
        member.condition = msgspec.structs.replace(member.condition, wish=Wish.STOPPED, worker=worker)
        member.heard(child, TicketRequest(request=1))
        await asyncio.sleep(0.02)
        assert calls == (["a0"] if worker is Worker.LIVE else [])


async def test_who_is_removed_is_forgotten_with_his_way_out(tmp_path: Path, forkserver: Forkserver) -> None:
    """Else an outage of his proxy would look at the removed one for ever, also when there is one of his name again."""
    proxied = [ACCOUNTS[0], {**ACCOUNTS[1], "proxy": "http://me:secret@127.0.0.1:9"}]
    async with idle_fleet(tmp_path, forkserver, proxied) as fleet:
        ways = fleet.recovery._ways._by_way
        assert len(ways) == 2
        fleet.discharge(fleet.members["a1"])
        assert list(ways) == [None]

        again = fleet.enlist(fleet.settings.accounts["a1"])
        fleet.begin(again)
        assert ways[again.account.proxy] == {"a1": again}
