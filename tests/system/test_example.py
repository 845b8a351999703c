"""The example files: they are valid, agree with each other, and the login hook keeps its contract."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from support.places import REPOSITORY
from xyfleet.supervisor.simulator.script_reader import read_script

HOOK = REPOSITORY / "scripts" / "login-hook.example"
EXAMPLE: dict[str, Any] = yaml.safe_load((REPOSITORY / "accounts.example.yml").read_text())
SCRIPT = REPOSITORY / EXAMPLE["fleet"]["simulator"]["faults"]


def hook(request: dict[str, Any], *words: str) -> tuple[int, dict[str, Any]]:
    """Run the hook as the supervisor would, with next to no environment; return exit code and answer."""
    done = subprocess.run(
        [HOOK, *words],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=20,
        env={"PATH": os.path.dirname(sys.executable) + ":/usr/bin:/bin", "LANG": "C"},
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, answer


def test_script_is_valid_and_plays_within_a_minute() -> None:
    """Every fault begins early enough to be seen by somebody who watches for a minute."""
    faults = read_script(SCRIPT.read_text(), SCRIPT.name, 0.0)

    assert {fault.kind.name for fault in faults} == {"drop", "session_expired", "reg_401", "close", "mute"}
    assert all(5 <= fault.begin <= 30 for fault in faults)


def test_faults_strike_accounts_of_the_example() -> None:
    """Each fault names one of the five accounts; two accounts are left in peace."""
    cookies = [account["cookie"] for account in EXAMPLE["accounts"]]
    unbs = [re.search(r"unb=(\d+)", cookie)[1] for cookie in cookies]  # type: ignore[index]
    struck = {fault.unb[0] for fault in read_script(SCRIPT.read_text(), SCRIPT.name, 0.0)}

    assert len(set(unbs)) == 5
    assert struck < set(unbs)
    assert len(struck) == 3


def test_example_names_the_hook() -> None:
    """The hook's path is right, and it can be executed."""
    command = EXAMPLE["refresh"]["command"]

    assert (REPOSITORY / command[0]).resolve() == HOOK
    assert command[1:] == ["--fast"]
    assert os.access(HOOK, os.X_OK)
    assert HOOK.read_bytes().startswith(b"#!/usr/bin/env python3\n")


def test_fast_hook_returns_a_new_login_of_the_same_account() -> None:
    """Same `unb`, another `cookie2` each time."""
    request = {"account": "shop-003", "cookie": "a=1; unb=2200000000003; cookie2=old", "password": None}
    with ThreadPoolExecutor() as threads:  # at one time: each takes a second
        answers = list(threads.map(lambda _: hook(request, "--fast"), range(2)))

    assert [code for code, _ in answers] == [0, 0]
    cookies = [answer["cookie"] for _, answer in answers]
    assert all(cookie.startswith("unb=2200000000003; cookie2=sim-") for cookie in cookies)
    assert len({*cookies, request["cookie"]}) == 3


def test_fast_hook_logs_in_without_an_old_cookie() -> None:
    """The first login of an account knows only the user name."""
    code, answer = hook({"cookie": None, "username": "2200000000009"}, "--fast")

    assert code == 0
    assert answer["cookie"].startswith("unb=2200000000009; ")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"cookie": "unb=3300000000001; cookie2=x"}, ["--fast"]),
        ({"cookie": None, "username": None}, ["--fast"]),
        ({"cookie": "unb=2200000000003", "password": None}, []),
        ({"cookie": "unb=2200000000003", "password": "secret-word"}, []),
    ],
)
def test_hook_asks_for_a_person_when_it_can_t(request_: dict[str, Any], words: list[str]) -> None:
    """A real account in fast mode, nothing to go by, or a login not written yet: an error that waits for a person."""
    code, answer = hook(request_, *words)

    assert code == 1
    assert answer["needs_human"] is True
    assert answer["error"]
    assert "cookie" not in answer
    assert "secret-word" not in json.dumps(answer)
