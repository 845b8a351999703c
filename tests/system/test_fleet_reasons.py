"""A whole fleet whose reasons are said in the reader's language, and stand as codes with fields in the API."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.loginhook import expire_login, with_hook

COMMAND = [sys.executable, "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]
SENTENCE = re.compile(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}")


def chinese(fleet: Fleet, command: str) -> str:
    """Return what a command prints in Chinese."""
    words = [*COMMAND, "--lang", "zh", command]
    return subprocess.run(words, env=fleet.env, cwd=fleet.folder, capture_output=True, text=True).stdout


def test_no_reason_is_said_in_another_language(tmp_path: Path, gateway: Gateway) -> None:
    """A worker's reason, one of a token call, the hook's and the restarts': `--lang zh` has no English sentence."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=12)
    with_hook(fleet, "sys.exit(3)", cooldown=600)
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(unb(0), kind="mute")
        expire_login(gateway, unb(1))
        pid = fleet.pids()["a2"]
        subprocess.run(["kill", "-9", str(pid)], check=True)
        fleet.until(lambda: fleet.accounts()["a0"]["cause"] == "heartbeat", "a0 is lost")
        fleet.until(lambda: fleet.accounts()["a1"]["process"] == "waiting", "a1 waits after its hook")
        fleet.until(lambda: any(event["to"] == "failed" for event in fleet.events("refresh", "a1")), "its hook failed")
        fleet.until(lambda: fleet.events("restart", "a2"), "a2 was restarted")
        dead = fleet.accounts()["a1"]
        assert (dead["reason"], dead["because"]) == (
            "login session expired",
            {"code": "session_expired", "fields": {}},
        )
        ended = fleet.events("restart", "a2")[0]
        assert (ended["reason"], ended["because"]["code"]) == ("killed by SIGKILL", "killed")
        status, events = chinese(fleet, "status"), chinese(fleet, "events")
    assert "登录会话已过期" in status
    assert "退出码 3" in events
    assert "被 SIGKILL 杀死" in events
    assert not SENTENCE.search(status + events)
