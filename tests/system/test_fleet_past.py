"""What a killed supervisor knew of an account, the next one knows too."""

from __future__ import annotations

import contextlib
from pathlib import Path

from support.fleet import Fleet, running, unb
from support.gateway import Gateway


def kept(folder: Path, user: str) -> str:
    """Return what is on disk of a user; nothing in the moment in which a file takes the other's place."""
    with contextlib.suppress(FileNotFoundError):
        return (folder / "state/users" / f"{user}.json").read_text()
    return ""


def test_a_hold_outlives_the_supervisor(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """Risk control holds an account; after SIGKILL it is held as long as before: no worker, no dial, no token call."""
    gateway = fresh_gateway
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(unb(0), kind="risk")
        gateway.fault(unb(0), kind="reg_401", once=True)
        gateway.drop(unb(0))
        fleet.until(lambda: fleet.accounts()["a0"]["process"] == "waiting", "it is held")
        before, stats = fleet.accounts()["a0"], gateway.stats(unb(0))
        fleet.until(lambda: '"hold":"risk"' in kept(tmp_path, unb(0)), "on disk")
        fleet.kill()
        fleet.start()
        fleet.until(lambda: fleet.connected("a1"), "the other one is connected")
        after = fleet.accounts()["a0"]
        assert (after["process"], after["cause"], after["pid"]) == ("waiting", "risk", None)
        assert abs(float(after["next_attempt"][14:16]) - float(before["next_attempt"][14:16])) <= 1  # minutes
        now = gateway.stats(unb(0))
        assert [now[key] for key in ("dials", "token_calls")] == [stats[key] for key in ("dials", "token_calls")]
