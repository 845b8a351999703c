"""Tells systemd how the supervisor is (sd_notify(3)): ready, its status, that it lives. Shell.

Without `NOTIFY_SOCKET` nothing is sent. Nothing in here waits or raises: a service manager that does not listen is no
reason to do anything else.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Systemd:
    """The way to the service manager; `env` is the environment as the supervisor was given it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        # An abstract socket's name begins with a zero byte, which the environment can't hold.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""

    def ready(self) -> None:
        """The start, or a reload, is done."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end begins."""
        self._send("STOPPING=1")

    def alive(self, status: str) -> None:
        """The loop turns; the status, one line for people, goes along when it is new."""
        news = "" if status == self._status else f"\nSTATUS={status}"
        self._status = status
        self._send(f"WATCHDOG=1{news}")

    def _send(self, text: str) -> None:
        if not self._address.startswith(("/", "\0")):
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(text.encode(), os.fsencode(self._address))
