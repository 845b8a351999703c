"""Standard output that nobody reads holds nothing up (finding 40)."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from support.fleet import Fleet
from support.gateway import Gateway


def test_a_pipe_that_nobody_reads(tmp_path: Path, gateway: Gateway) -> None:
    """With `log: {dir: none}` lines are left out, and counted when it is read again; the API answers, the end comes."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    fleet.config["fleet"]["log"] = {"dir": "none"}
    fleet.write()
    (tmp_path / "console.txt").touch()
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    null = subprocess.DEVNULL
    words = [sys.executable, "-P", "-m", "xyfleet.supervisor", "--file", str(fleet.file)]
    fleet.process = subprocess.Popen(words, env=fleet.env, cwd=tmp_path, stdin=null, stdout=write, stderr=null)
    os.close(write)
    try:
        fleet.until(fleet.answers, "the API answers")
        fleet.wait_connected()
        fleet.file.write_text("no such file")
        for _ in range(60):
            refused_reload(fleet)

        def said() -> bytes:
            refused_reload(fleet)
            return os.read(read, 4096)

        fleet.until(lambda: b"lines before this one could not be written" in said(), "the lost are counted")
        for _ in range(60):
            refused_reload(fleet)
        assert fleet.stop() == 0
    finally:
        os.close(read)
        fleet.close()


def refused_reload(fleet: Fleet) -> None:
    """Have a line of the log written, and prove that the loop goes on."""
    assert fleet.process is not None
    fleet.process.send_signal(signal.SIGHUP)
    assert fleet.answers()
