"""A handler finds ordinary Python around it: streams with all their parts, logging, child processes of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fleet import FAST, Fleet, running, unb
from support.gateway import Gateway

HELPER = """
def double(number):
    print("a child doubles", number)
    return 2 * number
"""
ORDINARY = """
import concurrent.futures, logging, multiprocessing, os, subprocess, sys
import doubling

sys.stdout.reconfigure(encoding="utf-8")
assert sys.stdout.encoding.lower() == "utf-8"
assert sys.stdout.fileno() != sys.stderr.fileno()
sys.stdout.buffer.write("bytes 你好\\n".encode())
subprocess.run(["echo", "of a program"], stdout=sys.stdout, check=True)
log = logging.getLogger("mine")
log.info("while importing")

def work(kind):
    if kind == "executor":
        with concurrent.futures.ProcessPoolExecutor(1) as pool:
            return sum(pool.map(doubling.double, [1, 2]))
    method = None if kind == "pool" else kind
    with multiprocessing.get_context(method).Pool(2) as pool:
        return sum(pool.map(doubling.double, [1, 2]))

async def answer(message, account):
    log.info("asked for a %s", message.text)
    log.debug("not this")
    open(f"{os.path.dirname(__file__)}/{message.text}", "w").write(str(work(message.text)))
"""


@pytest.mark.pythons
def test_a_handler_lives_in_ordinary_python(tmp_path: Path, gateway: Gateway) -> None:
    """Streams are whole (S9), pools of every kind work (S14), INFO is logged, and the worker lives on through it."""
    (tmp_path / "doubling.py").write_text(HELPER)
    (tmp_path / "ordinary.py").write_text(ORDINARY)
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 1)
    fleet.config["defaults"] = {**FAST, "handler": "ordinary:answer"}
    with running(fleet):
        fleet.wait_connected()
        pid = fleet.pids()["a0"]
        for kind in ("pool", "executor", "fork", "spawn", "forkserver"):
            gateway.push(unb(0), kind)
            result = tmp_path / kind
            fleet.until(lambda: result.exists() and result.read_text() == "6", f"the {kind} is done")  # noqa: B023
        fleet.until(lambda: fleet.connected("a0"), "a0 is connected")
        log = fleet.log_of("a0")

        assert fleet.pids()["a0"] == pid
        for words in ("bytes 你好", "of a program", "while importing", "asked for a spawn", "a child doubles 2"):
            assert words in log
        assert "not this" not in log
        assert fleet.accounts()["a0"]["messages"]["dead"] == 0
