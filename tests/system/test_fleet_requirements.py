"""A handler's packages in a running fleet: a reload installs them, and what could not be loaded answers."""

from __future__ import annotations

from pathlib import Path

from support.fleet import FAST, Fleet, running, unb
from support.gateway import Gateway
from support.wheels import wheel

BOT = """
import os, greetings

async def answer(message, account):
    open(f"{os.path.dirname(__file__)}/said", "w").write(greetings.WORD)
"""


def test_a_reload_installs_what_a_handler_lacks(tmp_path: Path, gateway: Gateway) -> None:
    """The handler can't be imported; requirements.txt and a reload later the message that waited is answered."""
    (tmp_path / "bot.py").write_text(BOT)
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels", "1.0", "one")
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 1)
    fleet.config["defaults"] = {**FAST, "handler": "bot:answer"}
    with running(fleet):
        fleet.wait_connected()
        gateway.push(unb(0), "hi")
        (tmp_path / "requirements.txt").write_text("--no-index\n--find-links wheels\ngreetings\n")
        answer = fleet.client.post("/v1/reload", {}, timeout=60)
        said = tmp_path / "said"
        fleet.until(lambda: said.exists() and said.read_text() == "one", "the handler is called")

    assert answer["warnings"] == []
