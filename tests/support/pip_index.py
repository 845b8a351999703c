"""A package index inside a test that has nothing but pip, and a checkout whose bootstrap has this pip pinned."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import re
import shutil
import ssl
import threading
import zipfile
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from support.machine import BOOTSTRAP, REPOSITORY

PEM = REPOSITORY / "supervisor" / "simulator"


@cache
def installed_pip() -> tuple[str, bytes]:
    """Return version and wheel of the pip of this environment: no test may need the network."""
    pip = importlib.metadata.distribution("pip")
    record = f"pip-{pip.version}.dist-info/RECORD"
    names = [str(file) for file in pip.files or () if not str(file).startswith("..") and file.suffix != ".pyc"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for name in names:
            if name != record:
                wheel.write(str(pip.locate_file(name)), name)
        wheel.writestr(record, "".join(f"{name},,\n" for name in names))
    return pip.version, buffer.getvalue()


def checkout(tree: Path, *names: str) -> Path:
    """Copy the bootstrap, or these folders of the repository; pin the pip of this environment. Return `tree`."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in names or (str(BOOTSTRAP),):
        shutil.copytree(REPOSITORY / name, tree / name, ignore=ignore, dirs_exist_ok=True)
    version, wheel = installed_pip()
    module = tree / BOOTSTRAP / "pip_wheel.py"
    text = re.sub('^VERSION = ".*"', f'VERSION = "{version}"', module.read_text(), flags=re.MULTILINE)
    digest = hashlib.sha256(wheel).hexdigest()
    module.write_text(re.sub('^SHA256 = ".*"', f'SHA256 = "{digest}"', text, flags=re.MULTILINE))
    return tree


def whole_checkout(tree: Path) -> Path:
    """Copy all that xyfleet needs to start, without its dependencies: those are found by PYTHONPATH. Return `tree`."""
    checkout(tree, "scripts", "handler", "supervisor", "worker")
    settings = (REPOSITORY / "pyproject.toml").read_text()
    without = re.sub(r"^dependencies = \[.*?^\]", "dependencies = []", settings, flags=re.DOTALL | re.MULTILINE)
    (tree / "pyproject.toml").write_text(without)
    return tree


class Server(ThreadingHTTPServer):
    """Says nothing of clients that do not trust its certificate."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent."""


class PipIndex:
    """The index, on a free port of 127.0.0.1. Use as a context manager; change its answers by its attributes."""

    def __init__(self, tls: bool = False) -> None:
        version, self.wheel = installed_pip()
        self.file = f"pip-{version}-py3-none-any.whl"
        self.prefix = "../../files/"
        """What stands in the page before the file's name."""
        self.status = 200
        self.dropped = 0
        """So many requests get no answer."""
        self.asked: list[tuple[str, str | None]] = []
        """Address and `Authorization` of each request."""
        self._server = Server(("127.0.0.1", 0), self._handler())
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(PEM / "loopback-test-cert.pem", PEM / "loopback-test-key.pem")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append((self.path, self.headers["Authorization"]))
                if index.dropped:
                    index.dropped -= 1
                    return
                status, body = index.answer(urlsplit(self.path).path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        return Handler

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body for a path."""
        if path == "/simple/pip/":
            page = f'<!DOCTYPE html><a href="x/pip-1.0.tar.gz">old</a><a href="{self.prefix}{self.file}#sha256=0">x</a>'
            return self.status, page.encode()
        if path == f"/files/{self.file}":
            return 200, self.wheel
        return 404, b""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
