"""What ends a fleet by itself, and that it says so where somebody can read it."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support.fleet import Fleet, running, unb
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


def test_the_api_on_tcp_fails_alone_and_begins_anew(tmp_path: Path, gateway: Gateway) -> None:
    """No files left for its next connection: that is said, no account notices, and it serves again afterwards."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fleet.config["fleet"]["http"] = f"127.0.0.1:{port}"
    with running(fleet):
        fleet.wait_connected()
        before = fleet.pids()
        assert fleet.process is not None
        limits = resource.prlimit(fleet.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(fleet.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        with socket.create_connection(("127.0.0.1", port)):
            fleet.until(lambda: "fault in part API on TCP, which begins anew" in fleet.own_log(), "it fails")
        resource.prlimit(fleet.process.pid, resource.RLIMIT_NOFILE, limits)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health", timeout=15)
        assert "API on TCP" in json.dumps(fleet.status())
        assert fleet.pids() == before
        assert gateway.stats(unb(0))["dials"] == gateway.stats(unb(1))["dials"] == 1


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
