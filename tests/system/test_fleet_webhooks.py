"""The webhook process in a whole fleet."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil

from support.fleet import Fleet, all_gone, running
from support.gateway import Gateway

SECRETS = ("pa55word", "T0KEN", "a key that nobody may see")
URL = "http://me:pa55word@127.0.0.1:1/T0KEN"
TITLE = "xyfleet: webhooks"


def webhooks(fleet: Fleet) -> list[psutil.Process]:
    """Return the webhook processes: they should be one at most."""
    return [process for process in fleet.family() if process.cmdline()[:1] == [TITLE]]


def shown(fleet: Fleet) -> bytes:
    """Return all that others may see of the fleet: its processes' words and environments, logs, status, events."""
    seen = [fleet.console().encode(), json.dumps([fleet.status(), fleet.events()]).encode()]
    seen += [path.read_bytes() for path in (fleet.folder / "state" / "logs").iterdir()]
    for process in fleet.family():
        proc = Path(f"/proc/{process.pid}")
        seen.append((proc / "cmdline").read_bytes())
        if os.geteuid() == 0:  # others may not look there anyway
            seen.append((proc / "environ").read_bytes())
    return b"\n".join(seen)


def test_lives_with_the_fleet(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """No webhook, no process; a reload starts one; killed it comes back; it dies with the supervisor; nothing leaks."""
    gateway = fresh_gateway
    with running(Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)) as fleet:
        assert webhooks(fleet) == []
        fleet.config["defaults"]["webhook"] = {"url": URL, "secret": SECRETS[-1]}
        fleet.write()
        fleet.client.post("/v1/reload", {}, timeout=20)
        socket = fleet.run_dir / "webhook.sock"
        fleet.until(socket.exists, "the webhook process listens")
        (first,) = webhooks(fleet)
        first.kill()
        fleet.until(lambda: [p for p in webhooks(fleet) if p != first], "it is started again")
        fleet.until(lambda: "webhooks" not in str(fleet.status()["fleet"]["notes"]), "all is well again")
        assert "webhooks can't be called, their process failed: SIGKILL" in fleet.own_log()
        assert not [secret for secret in SECRETS if secret.encode() in shown(fleet)]
        family = fleet.family()
        fleet.kill()
        assert all_gone(family)
