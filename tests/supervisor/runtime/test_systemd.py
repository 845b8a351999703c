"""What systemd is told, over a real datagram socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from xyfleet.supervisor.runtime.systemd import Systemd


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_systemd_hears_each_message(tmp_path: Path, abstract: bool) -> None:
    """Ready, reloading with its time, alive with a status that is sent when it is new; abstract sockets too."""
    name = f"@xyfleet-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(5)
        systemd = Systemd({"NOTIFY_SOCKET": name})
        for tell in (
            systemd.ready,
            systemd.reloading,
            lambda: systemd.alive("2 of 3"),
            lambda: systemd.alive("2 of 3"),
            systemd.stopping,
        ):
            tell()
        heard = [manager.recv(4096).decode() for _ in range(5)]
    assert heard[0] == "READY=1"
    assert heard[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[2:] == ["WATCHDOG=1\nSTATUS=2 of 3", "WATCHDOG=1", "STOPPING=1"]


@pytest.mark.parametrize("address", [None, "", "relative", "/nowhere/at/all"])
def test_nobody_to_tell_is_no_fault(address: str | None) -> None:
    """Without systemd, or where its socket is gone, nothing happens."""
    Systemd({} if address is None else {"NOTIFY_SOCKET": address}).ready()
