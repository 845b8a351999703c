"""The programs of docs/handlers.md, as they stand there, answer buyers in a real fleet."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.places import DOCS

SECRET = "s3cret-of-the-webhook"


def programs(page: str) -> dict[str, str]:
    """Return the Python programs of a page by the file name in their first line."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    return {block.splitlines()[0].removeprefix("# "): block for block in blocks}


def test_both_pages_show_the_same_programs() -> None:
    """The Chinese page has the programs that the tests run too."""
    assert programs("handlers.md") == programs("handlers.zh-CN.md")
    assert set(programs("handlers.md")) == {"replies.py", "slow.py", "hook.py", "prices.py", "deliver.py"}


@contextmanager
def hook_server(folder: Path) -> Iterator[int]:
    """Run the webhook's program on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    env = {**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    process = subprocess.Popen([sys.executable, str(folder / "hook.py")], env=env, stderr=subprocess.PIPE)
    try:
        yield port
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def until_listening(fleet: Fleet, port: int) -> None:
    """Wait until somebody listens on a port."""

    def listens() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    fleet.until(listens, "the webhook's server listens")


def test_the_programs_answer(gateway: Gateway, tmp_path: Path) -> None:
    """The keyword answerer, the slow one, the one that asks a price and the webhook say what they are written to."""
    for name, text in programs("handlers.md").items():
        (tmp_path / name).write_text(text, "utf-8")
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 4)
    with hook_server(tmp_path) as port:
        keyword, slow, hooked, prices = fleet.config["accounts"]
        keyword["handler"] = "replies:answer"
        slow["handler"] = "slow:answer"
        prices["handler"] = "prices:answer"
        hooked["webhook"] = {"url": f"http://127.0.0.1:{port}/xianyu", "secret": SECRET}
        with running(fleet):
            fleet.wait_connected()
            until_listening(fleet, port)
            for number in range(4):
                gateway.push(unb(number), "你好，什么时候发货？")
            sent = [answers(gateway, fleet, unb(number)) for number in range(4)]

    assert sent == [
        ["付款后一般 24 小时内发货。"],
        ["关于“你好，什么时候发货？”：请稍等，马上为您确认。"],
        ["您好：你好，什么时候发货？"],
        ["您好，测试商品，9.90 元，还有 100 件。"],
    ]


def answers(gateway: Gateway, fleet: Fleet, who: str) -> list[str]:
    """Wait for an account's first answer and return all of them."""

    def texts() -> list[str]:
        return [message["text"] for message in gateway.messages(who) if message["sender"] == who]

    fleet.until(texts, f"{who} answers")
    return texts()
