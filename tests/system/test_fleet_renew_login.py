"""`renew_login` on a whole fleet: a login that died is told while its connection lives."""

from __future__ import annotations

from pathlib import Path

from support.fleet import Fleet, running, unb
from support.gateway import Gateway


def test_a_dead_login_is_told_while_the_connection_lives(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """The renewal at the start finds it; `status` says so, with what helps; the connection is not dropped."""
    gateway = fresh_gateway
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    fleet.config["accounts"][0]["renew_login"] = True
    with running(fleet):
        fleet.wait_connected()
        gateway.fault([unb(0), unb(1)], kind="session_expired", logins=True)
        fleet.until(lambda: fleet.accounts()["a0"]["login"]["state"] == "dead", "the renewal finds it")
        told, other = fleet.accounts()["a0"], fleet.accounts()["a1"]

        assert (told["state"], told["cause"]) == ("CONNECTED", None)
        assert "connection still lives" in told["advice"]
        assert told["login"]["since"] is not None
        assert (other["login"]["state"], other["advice"]) == ("ok", None)
        assert fleet.events("message", "a0")[-1]["to"] == "login_dead"
        assert gateway.stats(unb(0))["regs_ok"] == 1
