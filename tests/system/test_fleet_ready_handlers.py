"""A rehearsal as a new user has it: say something, pay, edit the program; no socket is dropped."""

from __future__ import annotations

from pathlib import Path

from support.fleet import FAST, Fleet, running, unb
from support.gateway import Gateway

BOT = """
import os
from words_of_bot import WORD

with open("LOADS", "a") as file:
    file.write("x")

async def answer(message, account):
    return WORD + message.text + os.environ["BOT_TAIL"]
"""


def test_from_a_word_to_a_delivered_key(tmp_path: Path, gateway: Gateway) -> None:
    """Keywords, deliver and an own program in turn; a reload tries and takes up what was edited, if it is whole."""
    loads = tmp_path / "loads"
    bot = BOT.replace("LOADS", str(loads))
    (tmp_path / "bot.py").write_text(bot)
    (tmp_path / "words_of_bot.py").write_text("WORD = 'v1 '\n")
    (tmp_path / "replies.yml").write_text("rules: [{words: [在吗], reply: 在的}]\n")
    (tmp_path / "cards.txt").write_text("K1\nK2\n")
    (tmp_path / "deliver.yml").write_text(
        "goods: [{item: 900000000001, cards: cards.txt, reply: '{keys}', quantity: 1}]\n"
    )
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 1)
    fleet.config["defaults"] = {
        **FAST,
        "handler": ["deliver", "keywords", "bot:answer"],
        "orders": False,
        "handler_env": ["BOT_TAIL"],
    }
    fleet.env["BOT_TAIL"] = "!!"

    def said() -> list[str]:
        return [each["text"] for each in gateway.messages(unb(0)) if each["sender"] == unb(0)]

    def until_said(text: str) -> None:
        fleet.until(lambda: text in said(), f"{text} is said")

    with running(fleet):
        fleet.wait_connected()
        (tmp_path / "bot.py").write_text("from nowhere import x\n")
        (warning,) = fleet.client.post("/v1/reload")["warnings"]
        assert "nowhere" in warning
        (tmp_path / "bot.py").write_text(bot)
        assert not fleet.client.post("/v1/reload")["warnings"]
        gateway.push(unb(0), "在吗")
        until_said("在的")
        gateway.push(unb(0), "hello")
        until_said("v1 hello!!")
        gateway.push(unb(0), items=[{"type": "card", "status": "paid"}])
        until_said("K1")
        before = loads.read_text()
        assert fleet.client.post("/v1/reload")["renewed"] == []
        assert loads.read_text() == before, "no file changed: nothing is tried"
        (tmp_path / "words_of_bot.py").write_text("WORD = 'v2 '\n")
        assert fleet.client.post("/v1/reload")["renewed"] == ["a0"]
        gateway.push(unb(0), "again")
        until_said("v2 again!!")
        assert loads.read_text() == before + "xx", "by a trial and by the worker"
        (tmp_path / "words_of_bot.py").write_text("WORD = \n")
        (warning,) = fleet.client.post("/v1/reload")["warnings"]
        assert "SyntaxError" in warning
        (tmp_path / "words_of_bot.py").write_text("WORD = 'v3 '\n")
        fleet.client.post("/v1/reload")
        (tmp_path / "replies.yml").write_text("rules: [{words: [在吗], reply: 在呢}]\n")
        assert fleet.client.post("/v1/reload")["renewed"] == ["a0"]
        gateway.push(unb(0), "在吗")
        until_said("在呢")

        assert gateway.stats(unb(0))["dials"] == 1
    assert (tmp_path / "cards.txt").read_text() == "K2\n"
