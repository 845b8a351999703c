"""A fleet over TLS, through proxies, against endpoints that don't work: named, paced, and nobody else suffers."""

from __future__ import annotations

import itertools
import socket
import time
from pathlib import Path

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway


def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_tls_with_a_trust_store_of_its_own(tmp_path: Path) -> None:
    """wss and https with `ca_file`; without it the certificate is refused and the cause says so."""
    with Gateway("--tls") as gateway:
        fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
        assert fleet.config["fleet"]["endpoint"].startswith("wss:")
        with running(fleet):
            fleet.until(lambda: fleet.accounts()["a0"]["cause"] == "network", "refused")
            assert "not trusted" in fleet.accounts()["a0"]["reason"]
        (tmp_path / "trusting").mkdir()
        trusting = Fleet(tmp_path / "trusting", gateway.endpoint, gateway.token_url)
        trusting.config["fleet"]["ca_file"] = gateway.ca_file
        with running(trusting):
            trusting.wait_connected()


def test_dead_proxy_of_one_account_fails_closed(tmp_path: Path, gateway: Gateway) -> None:
    """No token call and no dial leaves by the machine's own address; the others do not notice."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    fleet.config["accounts"][0]["proxy"] = f"socks5://user:geheim@127.0.0.1:{unused_port()}"
    with running(fleet):
        fleet.until(lambda: fleet.connected("a1", "a2"), "the others connect")
        fleet.until(lambda: fleet.accounts()["a0"]["cause"] == "network", "a0's trouble is named")
        time.sleep(0.5)
        assert "proxy" in fleet.accounts()["a0"]["reason"]
        assert unb(0) not in gateway.all_stats()
        assert fleet.status()["fleet"]["outage"] is None
        shown = str(fleet.status()) + str(fleet.events()) + fleet.own_log() + fleet.log_of("a0") + fleet.console()
        assert "geheim" not in shown


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [("ws://127.0.0.1:{port}/", "refused"), ("wss://name.invalid/", "dns")],
    ids=["refused", "dns"],
)
def test_unreachable_endpoint_is_an_outage_at_any_size(
    tmp_path: Path, gateway: Gateway, endpoint: str, words: str
) -> None:
    """One account, nobody there: the cause is named, nothing is restarted, dials stay paced."""
    fleet = Fleet(tmp_path, endpoint.format(port=unused_port()), gateway.token_url, accounts=1)
    fleet.config["defaults"]["max_connection_failures"] = 2
    with running(fleet):
        fleet.until(lambda: fleet.status()["fleet"]["outage"] is not None, "an outage")
        seen = fleet.accounts()["a0"]
        assert seen["cause"] == "network"
        assert words in seen["reason"]
        assert seen["restarts"] == 0


def test_rival_is_waited_out(tmp_path: Path, gateway: Gateway) -> None:
    """Three kick-outs: FAILED for `rival`, no dial and no token call for ten minutes."""
    with running(Fleet(tmp_path, gateway.endpoint, gateway.token_url)) as fleet:
        fleet.wait_connected()
        gateway.fault(unb(0), kind="kickout", every=0.3)
        fleet.until(lambda: fleet.accounts()["a0"]["cause"] == "rival", "rival")
        before = gateway.stats(unb(0))
        time.sleep(1.5)
        after = gateway.stats(unb(0))
        assert (after["dials"], after["token_calls"]) == (before["dials"], before["token_calls"])
        assert fleet.accounts()["a0"]["next_attempt"] is not None
        assert fleet.connected("a1", "a2")


def test_accept_then_drop_of_one_account_reaches_failed(tmp_path: Path, gateway: Gateway) -> None:
    """A server that registers and drops one account for ever is no success: FAILED after five, at least 1 s apart."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    with running(fleet):
        fleet.wait_connected()
        time.sleep(0.6)
        gateway.fault(unb(0), kind="reg_then_close", code=1000)
        gateway.drop(unb(0), 1000)
        fleet.until(lambda: "FAILED" in [e["to"] for e in fleet.events("state", "a0")], "FAILED")
        times = gateway.stats(unb(0))["dial_times"]
        assert all(later - earlier >= 0.95 for earlier, later in itertools.pairwise(times[1:]))
        assert fleet.connected("a1", "a2")


def test_proxied_hook_waits_for_its_proxy(tmp_path: Path, gateway: Gateway) -> None:
    """An account whose proxy is dead is not logged in by another way."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho '{{}}'\n")
    hook.chmod(0o700)
    fleet.config["refresh"] = {"command": ["./hook"]}
    fleet.config["accounts"].append(
        {"name": "new", "username": "u", "password": "p", "proxy": f"http://127.0.0.1:{unused_port()}"}
    )
    with running(fleet):
        fleet.until(lambda: fleet.events("refresh", "new"), "the hook is put off")
        assert "proxy" in fleet.events("refresh", "new")[0]["reason"]
        assert not (tmp_path / "ran").exists()
