"""Logins whose turn comes late, and what their hook says then, on a running fleet."""

from __future__ import annotations

from pathlib import Path

from support.fleet import Fleet, account, running, unb
from support.gateway import Gateway
from support.loginhook import SAME_USER, calls_in, expire_login, with_hook


def test_nothing_to_change_without_a_cookie_is_no_login(tmp_path: Path, gateway: Gateway) -> None:
    """An account without a cookie, whose hook says `{}`: it waits for the hook's next run, as after any failure."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    fleet.config["accounts"].append({"name": "a1", "username": "li", "password": "secret"})
    calls = with_hook(fleet, 'print("{}")')
    with running(fleet):
        fleet.until(lambda: len(calls_in(calls)) >= 2, "the hook is asked again", 6.0)
        assert fleet.accounts()["a1"]["process"] in ("waiting", "refreshing")
    assert "fault in" not in fleet.own_log()


def test_an_operators_login_passes_in_an_outage_of_logins(tmp_path: Path, gateway: Gateway) -> None:
    """What his `refresh` brings is tried at once, as a cookie of `login` is: the login is paid for."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=4)
    open_again = tmp_path / "open"
    closed = (
        f"if not os.path.exists({str(open_again)!r}):\n    print(json.dumps({{'error': 'closed'}}))\n    sys.exit(1)"
    )
    calls = with_hook(fleet, closed + SAME_USER)
    with running(fleet):
        fleet.wait_connected()
        for index in range(4):
            expire_login(gateway, unb(index))
        fleet.until(lambda: calls_in(calls), "a canary tries to log in")
        fleet.until(lambda: waiting_for(fleet) == {"wait_outage"}, "all wait")
        canary = calls_in(calls)[0]["account"]
        name = next(each for each in ("a2", "a3") if each != canary)
        open_again.touch()
        fleet.client.post("/v1/accounts/refresh", {"names": [name]})
        fleet.until(lambda: len(calls_in(calls)) == 2, "his login is made")
        fleet.until(lambda: fleet.connected(name), "the new login passes", 5.0)


def test_a_hook_that_waited_for_its_place_is_told_the_settings_of_now(tmp_path: Path, gateway: Gateway) -> None:
    """The owner corrects the password while its login waits behind another one."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=0)
    fleet.config["accounts"] = [
        account(0, username="u0", password="right"),
        {"name": "a1", "username": "u1", "password": "wrong"},
        {"name": "a2", "username": "u2", "password": "wrong"},
    ]
    calls = with_hook(fleet, 'time.sleep(1.5)\nprint("{}")', max_concurrent=1, cooldown=60)
    with running(fleet):
        fleet.until(lambda: calls_in(calls), "the first hook runs")
        first = calls_in(calls)[0]["account"]
        waiting = "a2" if first == "a1" else "a1"
        for each in fleet.config["accounts"]:
            if each["name"] == waiting:
                each["password"] = "right"
        fleet.write()
        fleet.client.post("/v1/reload", {})
        fleet.until(lambda: len(calls_in(calls)) == 2, "the second hook runs")
    assert calls_in(calls)[1]["account"] == waiting
    assert calls_in(calls)[1]["password"] == "right"


def waiting_for(fleet: Fleet) -> set[str]:
    """Return what accounts wait for."""
    return {each["waits"]["code"] for each in fleet.accounts().values() if each["waits"]}
