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


ECHO = """
async def answer(message, account):
    return f"{account.name} heard {message.text}"
"""


def test_accounts_of_a_fleet_do_not_answer_each_other(tmp_path: Path, gateway: Gateway) -> None:
    """A text from another account of the fleet is kept, until `answer_fleet` is set; a buyer's is answered (C2)."""
    (tmp_path / "echo.py").write_text(ECHO)
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 2)
    fleet.config["defaults"] = {**FAST, "handler": "echo:answer", "send_rate": 0}
    with running(fleet):
        fleet.wait_connected()
        fleet.until(lambda: (tmp_path / "state" / "fleet-users.ids").exists(), "the file of users is there")
        say(gateway, "from the fleet", unb(1))
        say(gateway, "from a buyer", "3300000000777")
        fleet.until(lambda: "a0 heard from a buyer" in texts(gateway), "the buyer is answered")
        assert "a0 heard from the fleet" not in texts(gateway)

        fleet.config["defaults"]["answer_fleet"] = True
        fleet.write()
        fleet.client.post("/v1/reload", {})
        fleet.until(lambda: said_to(fleet, gateway), "it is answered now")


def say(gateway: Gateway, text: str, sender: str) -> None:
    """Have somebody write to the first account."""
    gateway.push(unb(0), items=[{"type": "text", "text": text, "peer": sender, "conversation": f"6{sender}"}])


def texts(gateway: Gateway) -> list[str]:
    """Return what the first account's conversations hold."""
    return [str(message["text"]) for message in gateway.messages(unb(0))]


def said_to(fleet: Fleet, gateway: Gateway) -> bool:
    """Tell whether the other account of the fleet gets answers; ask once more."""
    say(gateway, "once more", unb(1))
    return "a0 heard once more" in texts(gateway)
