"""A handler's question that fits into no message to the supervisor is answered as such, at once."""

from __future__ import annotations

import os

from xyfleet.worker.ipc.messages import Ask
from xyfleet.worker.ipc.pipes import ReportPipe
from xyfleet.worker.messaging.asks import LONGEST_DATA, Asks


async def test_data_that_is_mostly_quotes() -> None:
    """Within its bound, and too long with its quotes escaped: the handler is told, and the pipe goes on."""
    read, write = os.pipe()
    pipe = ReportPipe(write, lambda why: None)
    asks = Asks(pipe.send)
    data = '["",' + '"",' * ((LONGEST_DATA - 8) // 3) + '""]'
    answer = await asks.ask(Ask(request=0, what="call", api="mtop.x", version="1.0", data=data))
    pipe.close()

    assert len(data) <= LONGEST_DATA
    assert answer.reason is not None
    assert answer.reason.code == "ask_bad"
    os.close(read)
    os.close(write)
