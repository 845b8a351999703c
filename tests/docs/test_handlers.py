"""The programs of docs/handlers.md, as they stand there, answer buyers in a real fleet."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.places import DOCS

SECRET = "s3cret-of-the-webhook"
KEY = "sk-of-the-model"


def programs(page: str) -> dict[str, str]:
    """Return the programs of a page by the file name in their first line."""
    blocks: list[str] = re.findall(r"```(?:python|js)\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    return {block.splitlines()[0].lstrip("#/ "): block for block in blocks}


def test_both_pages_show_the_same_programs() -> None:
    """The Chinese page has the programs that the tests run too."""
    assert programs("handlers.md") == programs("handlers.zh-CN.md")
    assert set(programs("handlers.md")) == {"replies.py", "model.py", "hook.mjs", "hook.py", "deliver.py"}


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def hook_server(folder: Path, *command: str) -> Iterator[int]:
    """Run a webhook's program on a free port."""
    port = free_port()
    env = {**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    process = subprocess.Popen([*command], cwd=folder, env=env, stderr=subprocess.PIPE)
    try:
        yield port
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


class Model(BaseHTTPRequestHandler):
    """A service that speaks the OpenAI API, as far as the program asks it."""

    asked: ClassVar[list[list[dict[str, str]]]] = []

    def do_POST(self) -> None:
        """Name the price that it was told, ask for a person where it is to know more; refuse its first caller."""
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        self.asked.append(question)
        right = self.path == "/v1/chat/completions" and self.headers["Authorization"] == f"Bearer {KEY}"
        price = re.search(r"[\d.]+ 元", question[0]["content"])
        said = "转人工" if "发票" in question[-1]["content"] or price is None else f"亲，{price[0]}。"
        body = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}).encode()
        self.send_response((503 if len(self.asked) == 1 else 200) if right else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def model_server() -> Iterator[str]:
    """Serve the model; give the base of its address."""
    Model.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def until_listening(fleet: Fleet, port: int) -> None:
    """Wait until somebody listens on a port."""

    def listens() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    fleet.until(listens, "the webhook's server listens")


def test_the_programs_answer(gateway: Gateway, tmp_path: Path) -> None:
    """The keyword answerer and both webhooks say what they are written to; a wrong signature gets nothing."""
    for name, text in programs("handlers.md").items():
        (tmp_path / name).write_text(text, "utf-8")
    node = [found] if (found := shutil.which("node")) is not None else []  # not everywhere; the second is the same
    commands = [[*node, "hook.mjs"]] * len(node) + [[sys.executable, "hook.py"]]
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 1 + len(commands))
    with ExitStack() as servers:
        ports = [servers.enter_context(hook_server(tmp_path, *command)) for command in commands]
        fleet.config["accounts"][0]["handler"] = "replies:answer"
        for account, port in zip(fleet.config["accounts"][1:], ports, strict=True):
            account["webhook"] = {"url": f"http://127.0.0.1:{port}/xianyu", "secret": SECRET}
        with running(fleet):
            fleet.wait_connected()
            for number, port in enumerate([0, *ports]):
                if port:
                    until_listening(fleet, port)
                    assert unsigned(port) == 403
                gateway.push(unb(number), "你好，什么时候发货？")
            sent = [answers(gateway, fleet, unb(number)) for number in range(1 + len(ports))]

    assert sent == [["付款后一般 24 小时内发货。"], *[["您好：你好，什么时候发货？"]] * len(ports)]


def unsigned(port: int) -> int:
    """Ask a webhook without a right signature; return the status."""
    headers = {"X-Xyfleet-Timestamp": str(int(time.time())), "X-Xyfleet-Signature": "00"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/xianyu", b'{"kind": "text", "text": "?"}', headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.long
def test_the_language_model_answers(gateway: Gateway, tmp_path: Path) -> None:
    """It knows the price and what was said before, is asked again after a failure, and leaves the rest to a person."""
    (tmp_path / "model.py").write_text(programs("handlers.md")["model.py"], "utf-8")
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 1)
    environment = ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"]
    fleet.config["defaults"] |= {"handler": "model:answer", "handler_env": environment, "handler_retry_delay": 0.2}
    with model_server() as address:
        fleet.env |= {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "small"}
        with running(fleet):
            fleet.wait_connected()
            gateway.push(unb(0), "在吗，多少钱？")
            first = answers(gateway, fleet, unb(0))
            gateway.push(unb(0), "能开发票吗？")
            fleet.until(lambda: len(answers(gateway, fleet, unb(0))) == 2, "it leaves the rest to a person")
            second = answers(gateway, fleet, unb(0))[1]
            fleet.until(lambda: fleet.events("message", "a0"), "an event says that a person is asked for")

    assert (first, second) == (["亲，9.90 元。"], "请稍等，马上为您转人工。")
    assert [[said["content"] for said in asked[1:]] for asked in Model.asked] == [
        ["在吗，多少钱？"],
        ["在吗，多少钱？"],
        ["在吗，多少钱？", "亲，9.90 元。", "能开发票吗？"],
    ]


def answers(gateway: Gateway, fleet: Fleet, who: str) -> list[str]:
    """Wait for an account's first answer and return all of them."""

    def texts() -> list[str]:
        return [message["text"] for message in gateway.messages(who) if message["sender"] == who]

    fleet.until(texts, f"{who} answers")
    return texts()
