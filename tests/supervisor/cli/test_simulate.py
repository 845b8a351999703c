"""`xyfleet simulate`: the built-in gateway on its own."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from support.standin import begin, run


async def test_gateway_runs_until_interrupted(tmp_path: Path) -> None:
    """It tells its addresses as JSON, answers on them, says what it is, and ends quietly on Ctrl-C."""
    process = await begin(tmp_path, "simulate")
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()

    assert told["endpoint"] == f"ws://127.0.0.1:{told['port']}/"
    assert err.startswith(b"SIMULATOR")
    assert b"Traceback" not in err


async def test_missing_script_is_2(tmp_path: Path) -> None:
    """A script of faults that is not there is wrong usage."""
    assert (await run(tmp_path, "simulate", "--faults", "none.yml")).code == 2
