"""A login hook that writes down each call and answers what the test says. Shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.fleet import Fleet
from support.gateway import Gateway

HOOK = """#!/usr/bin/env python3
import json, os, sys, time
request = json.load(sys.stdin)
with open({calls!r}, "a") as file:
    file.write(json.dumps(request) + "\\n")
{body}
"""
NEW_COOKIE = """
unb = {cookie_unb}
print(json.dumps({{"cookie": f"unb={{unb}}; cookie2=sim-new-{{time.time_ns()}}"}}))
"""
SAME_USER = NEW_COOKIE.format(cookie_unb='request["cookie"].split("unb=")[1].split(";")[0]')


def with_hook(fleet: Fleet, body: str = SAME_USER, **refresh: Any) -> Path:
    """Give a fleet a hook; return the file in which its calls are written down."""
    calls = fleet.folder / "calls"
    hook = fleet.folder / "hook"
    hook.write_text(HOOK.format(calls=str(calls), body=body))
    hook.chmod(0o700)
    fleet.config["refresh"] = {"command": ["./hook"], "cooldown": 1, "timeout": 10, **refresh}
    return calls


def calls_in(path: Path) -> list[dict[str, Any]]:
    """Return the hook's calls so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def expire_login(gateway: Gateway, user: str) -> None:
    """End the account's login: the token in hand is refused, the next token call says that the session expired."""
    gateway.fault(user, kind="session_expired")
    gateway.fault(user, kind="reg_401", once=True)
    gateway.drop(user)
