"""Images: from a person, a handler and a webhook, uploaded by the account's way once, and seen by the buyer."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from support.fleet import Fleet, running, unb
from support.gateway import Gateway

COMMAND = [sys.executable, "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]
HANDLER = """
from xyfleet.worker.handlers.api import Reply


async def answer(message, account):
    if message.text == "图":
        await account.send(message.conversation, image="guide.png")
    return Reply(text="请看图", image="guide.png") if message.text == "图" else Reply(image="/nowhere/no.png")
"""


def png(width: int, height: int) -> bytes:
    """Return a grey image of this size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + b"\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def command(fleet: Fleet, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the fleet."""
    return subprocess.run(
        [*COMMAND, *words, "--fleet", "test"], env=fleet.env, capture_output=True, text=True, timeout=30
    )


def pictures(gateway: Gateway, who: str) -> list[dict[str, Any]]:
    """Return what an account sent, without the parts that don't matter."""
    return [message for message in gateway.messages(who) if message["sender"] == who]


class Hook(BaseHTTPRequestHandler):
    """A webhook that answers with a text and an image."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"reply": "look", "image": "guide.png"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def webhook() -> Iterator[str]:
    """Give the address of such a webhook."""
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_images_are_sent(gateway: Gateway, tmp_path: Path) -> None:
    """A person's image, a handler's and a webhook's reach the buyer, each uploaded once; what is none is refused."""
    (tmp_path / "guide.png").write_bytes(png(30, 40))
    (tmp_path / "bad.png").write_bytes(b"GIF89a")
    (tmp_path / "pics.py").write_text(HANDLER)
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 2)
    fleet.config["defaults"]["send_rate"] = 0
    fleet.config["accounts"][0]["handler"] = "pics:answer"
    with webhook() as url:
        fleet.config["accounts"][1]["webhook"] = {"url": url}
        with running(fleet):
            send_and_look(fleet, gateway, tmp_path)


def send_and_look(fleet: Fleet, gateway: Gateway, tmp_path: Path) -> None:
    """Have all of them send, and look at what the gateway has."""
    fleet.wait_connected()
    gateway.push(unb(1), texts=["在吗"])
    gateway.push(unb(0), items=[{"text": "图", "conversation": "61"}, {"type": "card", "conversation": "62"}])
    fleet.until(lambda: len(pictures(gateway, unb(0))) == 3, "text and images are sent")
    fleet.until(lambda: fleet.accounts()["a0"]["messages"]["dead"] == 1, "the other one is a dead letter")
    sent = command(fleet, "send", "a0", "61", "--image", str(tmp_path / "guide.png"))
    bad = command(fleet, "send", "a0", "61", "--image", str(tmp_path / "bad.png"))
    both = command(fleet, "send", "a0", "61", "text", "--image", str(tmp_path / "bad.png"))
    fleet.until(lambda: len(pictures(gateway, unb(1))) == 2, "the webhook's are sent")
    uploads = gateway.ask("GET", "uploads")["uploads"]
    (dead,) = fleet.client.get("/v1/messages", failed="1").body.splitlines()
    found = [each for index in (0, 1) for each in pictures(gateway, unb(index))]

    assert (sent.returncode, bad.returncode, both.returncode) == (0, 1, 2), (sent, bad, both)
    assert "no JPEG, PNG or WebP" in bad.stderr
    assert [each["content_type"] for each in found] == [2, 1, 2, 2, 1, 2]
    shown = {"url": uploads[0]["url"], "width": 30, "height": 40, "type": 0}
    assert [each["content"]["image"]["pics"] for each in found if each["content_type"] == 2] == [[shown]] * 4
    assert sorted(each["unb"] for each in uploads) == [unb(0)] * 3 + [unb(1)]
    assert "can't be opened" in json.loads(dead)["reason"]
