"""What ends a fleet by itself, and that it says so where somebody can read it."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from support.fleet import Fleet, running
from support.gateway import Gateway


def test_a_fleet_whose_lock_another_holds_ends_and_says_why(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 11: detached, with nobody at its standard error, the cause stands in its log; its exit code is 1."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    with running(fleet, "--detach"):
        fleet.wait_connected()
        lock = tmp_path / "state" / "lock"
        lock.unlink()
        other = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(other, fcntl.LOCK_EX)
        os.write(other, b"12345\n")
        assert fleet.process is not None
        assert fleet.process.wait(15) == 1
        os.close(other)
    assert "CRITICAL the fleet ends: the lock" in fleet.own_log()
    assert "pid 12345 holds it" in fleet.own_log()
    assert "all workers are gone" in fleet.own_log()


def test_systemd_is_told_what_the_fleet_does(tmp_path: Path, gateway: Gateway) -> None:
    """READY when the socket answers, a sign of life with the status, RELOADING and READY, STOPPING."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    fleet.env["NOTIFY_SOCKET"] = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(fleet.env["NOTIFY_SOCKET"])
        manager.settimeout(10)
        with running(fleet):
            assert manager.recv(4096) == b"READY=1"
            assert manager.recv(4096) == b"WATCHDOG=1\nSTATUS=0 of 2 accounts connected"
            fleet.client.post("/v1/reload", {})
            assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(4096) == b"READY=1"
        assert manager.recv(4096) == b"STOPPING=1"
