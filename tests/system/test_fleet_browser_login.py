"""`xyfleet login NAME --browser` as a person does it: a real Chromium on a screen, and the code in its page scanned."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from xyfleet.supervisor.cli.browser_login import PROGRAMS

COMMAND = [sys.executable, "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]
CHROMIUM = next((path for program in PROGRAMS if (path := shutil.which(program))), None)


@contextlib.contextmanager
def screen() -> Iterator[str]:
    """Give the name of a screen that nobody sees."""
    read, write = os.pipe()
    words = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    with subprocess.Popen(words, pass_fds=(write,), stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as told:
                yield f":{told.readline().strip()}"
        finally:
            server.terminate()


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb here")
@pytest.mark.timeout(120)
def test_a_first_login_by_a_code_in_a_browser(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """The page's code is scanned; the cookie is complete, the account connects as the browser in which it was made."""
    pytest.importorskip("playwright")
    gateway = fresh_gateway
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=0)
    fleet.config["accounts"] = [{"name": "new"}]
    with running(fleet), screen() as display:
        words = [*COMMAND, "login", "new", "--browser", "--fleet", "test"]
        environment = {**fleet.env, "DISPLAY": display}
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as command:
            try:
                fleet.until(lambda: gateway.ask("GET", "passport")["polls"], "the page shows its code", 60)
                gateway.ask("POST", "qr", {"do": "confirm", "unb": unb(7)})
                said = command.communicate(timeout=60)[0].decode()
            finally:
                command.kill()
        assert command.returncode == 0, said
        assert "logged in" in said
        fleet.wait_connected()
        shown = fleet.accounts()["new"]

    assert shown["browser"].startswith("Chrome ")
    assert shown["cookie_source"] == "login"
    profile = tmp_path / "state" / "browsers" / "names" / "new"
    assert stat.S_IMODE(profile.stat().st_mode) == 0o700
    assert (tmp_path / "state" / "users" / f"{unb(7)}.json").exists()
