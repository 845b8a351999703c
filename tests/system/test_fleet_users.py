"""What is stored belongs to a user, and a name only points to him: renames, and cookies of other users."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, account, running, unb
from support.gateway import Gateway
from support.loginhook import calls_in, with_hook
from xyfleet.supervisor.api.client import Refused

HANDLER = """
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

async def answer(message, account):
    with Path(__file__).with_name("asked").open("a") as file:
        file.write(json.dumps([account.name, message.text]) + "\\n")
    raise ValueError
"""


def record(fleet: Fleet, index: int) -> dict[str, Any]:
    """Return what is on disk of a user."""
    found: dict[str, Any] = json.loads((fleet.folder / "state" / "users" / f"{unb(index)}.json").read_text())
    return found


def reload(fleet: Fleet, *accounts: dict[str, Any]) -> dict[str, Any]:
    """Let the file have these accounts, and have it read."""
    fleet.config["accounts"] = list(accounts)
    fleet.write()
    answer: dict[str, Any] = fleet.client.post("/v1/reload", {}, timeout=20)
    return answer


def named(index: int, name: str) -> dict[str, Any]:
    """Return an account of the file under another name."""
    return account(index) | {"name": name}


def test_a_rename_keeps_everything(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """16a: another name, two names that change places, while running and while stopped: no login, no call, no kick."""
    gateway = fresh_gateway
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    with running(fleet):
        fleet.wait_connected()
        before = [record(fleet, index)["device_id"] for index in range(3)]
        calls = gateway.stats()["token_calls"]
        fleet.client.post("/v1/accounts/stop", {"names": ["a2"]}, timeout=20)

        answer = reload(fleet, named(0, "a1"), named(1, "a0"), named(2, "shop"))
        assert (answer["added"], answer["removed"], sorted(answer["restarted"])) == (["shop"], ["a2"], ["a0", "a1"])
        fleet.until(lambda: fleet.connected("a0", "a1"), "they are connected")
        assert fleet.accounts()["shop"]["process"] == "stopped"
        fleet.stop()
        fleet.config["accounts"] = [named(0, "first"), named(1, "a1"), named(2, "shop")]
        fleet.start()
        fleet.until(lambda: fleet.connected("first", "a1"), "connected under their new names")
        assert fleet.accounts()["shop"]["process"] == "stopped"
        assert [record(fleet, index)["device_id"] for index in range(3)] == before
        assert gateway.stats()["token_calls"] == calls
        assert [gateway.stats(unb(index))[key] for index in range(3) for key in ("overlaps", "kicks")] == [0] * 6
        assert not any(member["cause"] == "rival" for member in fleet.accounts().values())


def test_no_message_goes_to_another_user(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """X15: a name's cookie is another user's: a reload is refused, names the way out, and touches nothing."""
    gateway = fresh_gateway
    (tmp_path / "replies.py").write_text(HANDLER)
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    fleet.config["defaults"] |= {"handler": "replies:answer", "handler_retries": 0}
    with running(fleet):
        fleet.wait_connected()
        gateway.push(unb(0), "for the first one")
        fleet.until(lambda: fleet.accounts()["a0"]["messages"]["dead"] == 1, "the handler failed")
        before = fleet.pids()
        for wrong in (named(7, "a0"), named(1, "a0")):
            with pytest.raises(Refused, match="nothing was changed") as refused:
                reload(fleet, wrong, account(1))
            assert refused.value.code in ("not_possible", "bad_file")
        with pytest.raises(Refused, match="xyfleet forget a0"):
            reload(fleet, named(7, "a0"), account(1))
        with pytest.raises(Refused, match="xyfleet forget"):
            fleet.client.post("/v1/login", {"name": "a0", "cookie": f"unb={unb(7)}; cookie2=sim-7"})
        assert fleet.pids() == before
        # Users of the fleet may change their names: the message stays with its user.
        reload(fleet, named(0, "a1"), named(1, "a0"))
        fleet.wait_connected()
        fleet.until(lambda: fleet.accounts()["a1"]["messages"]["dead"] == 1, "the dead letter is that user's")
        assert fleet.accounts()["a0"]["messages"]["stored"] == 0
        listed = json.loads(fleet.client.get("/v1/messages").body.splitlines()[0])
        assert listed["account"] == "a1"
        fleet.client.post("/v1/accounts/stop", {"names": ["a0"]}, timeout=20)
        fleet.client.post("/v1/forget", {"name": "a0"}, timeout=20)
        fleet.config["accounts"][1] = named(7, "a0")
        reload(fleet, named(0, "a1"), named(7, "a0"))
        fleet.client.post("/v1/accounts/restart", {"names": ["a0"]}, timeout=20)
        fleet.wait_connected()
        assert gateway.stats(unb(7))["dials"] == 1
    assert [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()] == [["a0", "for the first one"]]


def test_one_user_twice_is_refused_at_a_start_too(tmp_path: Path, gateway: Gateway) -> None:
    """16b: whom an account is from a hook, another one's cookie can't be: at a start, a reload, from a cookie_file."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    cookie = tmp_path / "cookie"
    cookie.write_text(f"unb={unb(1)}; cookie2=sim-1")
    cookie.chmod(0o600)
    hooked = {"name": "hooked", "username": "li"}
    calls = with_hook(fleet, f'print(json.dumps({{"cookie": "unb={unb(5)}; cookie2=sim-5"}}))')
    fleet.config["accounts"] = [account(0), hooked, {"name": "filed", "cookie_file": "cookie"}]
    with running(fleet):
        fleet.wait_connected()
        assert len(calls_in(calls)) == 1
        cookie.write_text(f"unb={unb(5)}; cookie2=sim-6")
        fleet.until(lambda: "it is the cookie of account hooked" in fleet.own_log(), "the cookie_file is refused")
        with pytest.raises(Refused, match="the user that account hooked is"):
            reload(fleet, account(0), hooked, {"name": "filed", "cookie_file": "cookie"})
        fleet.stop()
        fleet.start(wait=False)
        assert fleet.process is not None
        assert fleet.process.wait(20) == 1
        assert "the user that account hooked is" in fleet.console()


def test_a_call_that_was_made_is_kept(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """The worker that asked for a token dies while the call is under way: what it brings serves the next worker."""
    gateway = fresh_gateway
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    gateway.fault(kind="token_slow", seconds=1)
    with running(fleet):
        fleet.until(lambda: gateway.stats(unb(0))["token_calls"] == 1, "the call is made")
        assert len(record(fleet, 0)["calls"]) == 1, "it was on disk before"
        pid = fleet.pids()["a0"]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        fleet.wait_connected()
        assert gateway.stats(unb(0))["token_calls"] == 2, "one for the signing cookie, one for the token"


def test_a_user_waits_for_his_old_worker(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """A renamed account whose old worker does not end: the new name says whom it waits for, and never dials beside."""
    gateway = fresh_gateway
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    with running(fleet):
        fleet.wait_connected()
        pid = fleet.pids()["a0"]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it ends with the SIGKILL that follows
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(reload, fleet, named(0, "shop"))
            fleet.until(lambda: "shop" in fleet.accounts(), "the new name is there")
            shop = fleet.accounts()["shop"]
            assert (shop["process"], shop["waits"]) == ("waiting", {"code": "wait_user", "fields": {"name": "a0"}})
            answer.result(20)
        fleet.until(lambda: fleet.connected("shop"), "it is connected")
        assert gateway.stats(unb(0))["overlaps"] == 0


def test_two_fleets_of_one_machine_share_no_user(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """The second one waits and says so, without a dial, and goes on when the first lets go of the user."""
    gateway = fresh_gateway
    fleets = [Fleet(tmp_path / name, gateway.endpoint, gateway.token_url, accounts=1) for name in ("one", "two")]
    for fleet, name in zip(fleets, ("one", "two"), strict=True):
        fleet.folder.mkdir()
        fleet.config["fleet"]["name"] = name
        fleet.env["XDG_STATE_HOME"] = str(tmp_path / "home")
    first, second = fleets
    with running(first):
        first.wait_connected()
        with running(second):
            second.until(lambda: "wait_other_fleet" in str(second.accounts()["a0"]["waits"]), "it says so")
            assert second.accounts()["a0"]["process"] == "waiting"
            first.client.post("/v1/accounts/stop", {"names": ["a0"]}, timeout=20)
            second.wait_connected()
            assert [gateway.stats(unb(0))[key] for key in ("overlaps", "kicks")] == [0, 0]
    assert list((tmp_path / "home" / "xyfleet" / "owners").iterdir()) == []
