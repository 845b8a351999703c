"""The ladder with real processes: what a FAILED account costs, and what it never costs."""

from __future__ import annotations

import time
from pathlib import Path

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.loginhook import NEW_COOKIE, calls_in, expire_login, with_hook


def test_expired_session_costs_one_login_and_heals(tmp_path: Path, gateway: Gateway) -> None:
    """Session expired: FAILED, the hook runs once with the documented request, then CONNECTED by the new cookie."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    calls = with_hook(fleet)
    fleet.config["accounts"][0] |= {"username": "seller", "password": "012345"}
    with running(fleet):
        fleet.wait_connected()
        expire_login(gateway, unb(0))
        fleet.until(lambda: calls_in(calls), "the hook is called")
        fleet.until(fleet.connected, "healed")
        (request,) = calls_in(calls)
        assert request["account"] == "a0"
        assert (request["username"], request["password"], request["cause"]) == ("seller", "012345", "auth")
        assert request["attempt"] == 1
        assert request["proxy"] is None
        assert request["device_id"].endswith(unb(0))
        seen = fleet.accounts()["a0"]
        assert seen["cookie_source"] == "hook"
        assert seen["refresh"]["attempts"] == 1
        assert [e["to"] for e in fleet.events("refresh", "a0")] == ["started", "succeeded"]
        states = [(e["from"], e["to"]) for e in fleet.events("state", "a0")]
        failed = states.index(("RECONNECTING", "FAILED"))
        assert states[failed:][-1] == ("CONNECTING", "CONNECTED")


def test_without_a_hook_a_person_is_asked_and_login_heals(tmp_path: Path, gateway: Gateway) -> None:
    """needs_login: no restart and no token call any more, until `login` brings a cookie."""
    with running(Fleet(tmp_path, gateway.endpoint, gateway.token_url)) as fleet:
        fleet.wait_connected()
        expire_login(gateway, unb(1))
        fleet.until(lambda: fleet.accounts()["a1"]["process"] == "needs_login", "a person is needed")
        calls = gateway.stats(unb(1))["token_calls"]
        time.sleep(2.0)
        seen = fleet.accounts()["a1"]
        assert (seen["state"], seen["cause"], seen["restarts"]) == ("FAILED", "auth", 0)
        assert gateway.stats(unb(1))["token_calls"] == calls
        assert fleet.connected("a0", "a2")
        fleet.client.post("/v1/login", {"name": "a1", "cookie": f"unb={unb(1)}; cookie2=sim-by-hand"})
        fleet.until(fleet.connected, "healed")
        assert fleet.accounts()["a1"]["cookie_source"] == "login"


def test_cookie_file_is_watched(tmp_path: Path, gateway: Gateway) -> None:
    """A new content of the cookie_file is a new cookie, pasted as sloppily as the file's reader allows."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    cookie = tmp_path / "a0.cookie"
    cookie.write_text(f"unb={unb(0)}; cookie2=sim-first\n")
    del fleet.config["accounts"][0]["cookie"]
    fleet.config["accounts"][0]["cookie_file"] = "a0.cookie"
    with running(fleet):
        fleet.wait_connected()
        expire_login(gateway, unb(0))
        fleet.until(lambda: fleet.accounts()["a0"]["process"] == "needs_login", "a person is needed")
        cookie.write_text(f'"Cookie: unb={unb(0)}; cookie2=sim-second"\n')
        fleet.until(fleet.connected, "healed")


def test_hook_with_another_users_cookie_harms_nobody(tmp_path: Path, gateway: Gateway) -> None:
    """A cookie of another user is refused and named; the others stay connected."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    with_hook(fleet, NEW_COOKIE.format(cookie_unb=repr(unb(2))), cooldown=60)
    with running(fleet):
        fleet.wait_connected()
        expire_login(gateway, unb(0))
        fleet.until(lambda: [e for e in fleet.events("refresh", "a0") if e["to"] == "failed"], "the hook failed")
        (event,) = [e for e in fleet.events("refresh", "a0") if e["to"] == "failed"]
        assert unb(2) in event["reason"] or "a2" in event["reason"]
        assert fleet.connected("a1", "a2")
        assert fleet.accounts()["a0"]["next_attempt"] is not None


def test_hook_that_asks_for_a_person(tmp_path: Path, gateway: Gateway) -> None:
    """needs_human ends the ladder at once, over a restart of the supervisor too."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    calls = with_hook(fleet, """print(json.dumps({"error": "sms", "needs_human": True}))""")
    with running(fleet):
        fleet.wait_connected()
        expire_login(gateway, unb(0))
        fleet.until(lambda: fleet.accounts()["a0"]["process"] == "needs_login", "a person is needed")
        token_calls = gateway.stats(unb(0))["token_calls"]
        fleet.stop()
        fleet.start()
        fleet.until(lambda: fleet.accounts()["a0"]["process"] == "needs_login", "still needed")
        assert len(calls_in(calls)) == 1
        assert gateway.stats(unb(0))["token_calls"] == token_calls


def test_risk_control_means_no_login_and_no_retry(tmp_path: Path, gateway: Gateway) -> None:
    """Risk control: one token call, FAILED, and then nothing at all for half an hour."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    calls = with_hook(fleet)
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(unb(0), kind="risk")
        gateway.fault(unb(0), kind="reg_401", once=True)
        gateway.drop(unb(0))
        fleet.until(lambda: fleet.accounts()["a0"]["state"] == "FAILED", "FAILED")
        before = gateway.stats(unb(0))
        time.sleep(2.0)
        after = gateway.stats(unb(0))
        assert (after["token_calls"], after["dials"]) == (before["token_calls"], before["dials"])
        seen = fleet.accounts()["a0"]
        assert (seen["cause"], seen["process"], seen["restarts"]) == ("risk", "waiting", 0)
        assert seen["next_attempt"] is not None
        assert not calls_in(calls)
        gateway.clear()
        fleet.client.post("/v1/accounts/reconnect", {"names": ["a0"]})
        fleet.until(fleet.connected, "an operator's command lifts it")


def test_removed_session_is_left_alone(tmp_path: Path, gateway: Gateway) -> None:
    """/s/session/remove: a person decides; no login, no dial."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    calls = with_hook(fleet)
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(unb(0), kind="session_remove", count=1)
        fleet.until(lambda: fleet.accounts()["a0"]["cause"] == "removed", "removed")
        dials = gateway.stats(unb(0))["dials"]
        time.sleep(1.5)
        assert gateway.stats(unb(0))["dials"] == dials
        assert fleet.accounts()["a0"]["process"] == "waiting"
        assert not calls_in(calls)


def test_refused_for_good_climbs_step_by_step(tmp_path: Path, gateway: Gateway) -> None:
    """One account refused at /reg: first a new process and token, then the hook, never a storm of either."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    calls = with_hook(fleet, cooldown=600)
    fleet.config["defaults"]["max_connection_failures"] = 2
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(unb(0), kind="reg_401")
        gateway.drop(unb(0))
        fleet.until(lambda: calls_in(calls), "the hook is called", timeout=40)
        assert fleet.accounts()["a0"]["restarts"] >= 1
        restarts = [e["why"] for e in fleet.events("restart", "a0")]
        assert restarts[0] == "failed"
        gateway.clear()
        fleet.until(fleet.connected, "healed", timeout=40)
        assert len(calls_in(calls)) == 1


def test_expired_signing_cookie_heals_without_a_login(tmp_path: Path, gateway: Gateway) -> None:
    """Only the signature is old: the answer brings a new one, and the next call succeeds."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    calls = with_hook(fleet)
    with running(fleet):
        fleet.wait_connected()
        issued = gateway.stats(unb(0))["tokens_issued"]
        gateway.fault(unb(0), kind="sign_expired")
        gateway.fault(unb(0), kind="reg_401", once=True)
        gateway.drop(unb(0))
        fleet.until(lambda: gateway.stats(unb(0))["tokens_issued"] == issued + 1, "a new token")
        fleet.until(fleet.connected, "healed")
        assert not calls_in(calls)
        assert "FAILED" not in [e["to"] for e in fleet.events("state", "a0")]


def test_first_login_is_a_hook_call_that_pins_the_user(tmp_path: Path, gateway: Gateway) -> None:
    """An account without a cookie gets its first one from the hook."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    with_hook(fleet, NEW_COOKIE.format(cookie_unb=repr(unb(7))))
    fleet.config["accounts"].append({"name": "new", "username": "u", "password": "p"})
    with running(fleet):
        fleet.wait_connected()
        assert gateway.stats(unb(7))["regs_ok"] == 1
