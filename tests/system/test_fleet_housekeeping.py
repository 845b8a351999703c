"""What the supervisor notices by itself."""

from __future__ import annotations

import os
from pathlib import Path

from support.fleet import Fleet, account, running, unb
from support.gateway import Gateway


def test_a_cookie_file_with_the_same_size_and_time_is_noticed(tmp_path: Path, gateway: Gateway) -> None:
    """A `cookie_file` rewritten in place, its time set back (rsync, `touch -r`), is a new cookie (X13b)."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=0)
    cookie = tmp_path / "cookie"
    cookie.write_text(f"unb={unb(0)}; cookie2=sim-1")
    fleet.config["accounts"] = [{**account(0), "cookie_file": "cookie"}]
    del fleet.config["accounts"][0]["cookie"]
    with running(fleet):
        fleet.wait_connected()
        before = cookie.stat()
        with cookie.open("r+") as file:
            file.write(f"unb={unb(0)}; cookie2=sim-2")
        os.utime(cookie, ns=(before.st_atime_ns, before.st_mtime_ns))
        fleet.until(lambda: "new cookie in" in fleet.own_log(), "the new cookie is taken")
