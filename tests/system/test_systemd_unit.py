"""Two units of the README's template: each has folders of its own, and one lives on when the other's are removed."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.fleet import Fleet, all_gone, running
from support.gateway import Gateway

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]
MANAGER = Path("/lib/systemd/systemd")
NOT_CONNECTED = 3
ACCOUNTS = """
fleet: {endpoint: simulator}
accounts:
  - {name: a0, cookie: "unb=2200000000001; cookie2=sim-0"}
"""
INSIDE = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && mkdir -m 700 "$XDG_RUNTIME_DIR" || exit 1
"$0" --user --unit=default.target --log-target=null # not `exec`: a user's manager is no PID 1
:
"""


def unit(folder: Path) -> str:
    """Return the README's unit for this user, this checkout and this folder."""
    text = (ROOT / "README.md").read_text().split("```ini\n")[1].split("```")[0]
    program = shlex.join(COMMAND)
    text = text.replace("User=xyfleet\n", "").replace("/opt/xyfleet/scripts/xyfleet", program)
    return text.replace("/etc/xyfleet/", f"{folder}/")


class Manager:
    """A real systemd of its own: a user's manager in namespaces, with a /run of its own."""

    def __init__(self, folder: Path) -> None:
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
        self.env["XDG_RUNTIME_DIR"] = "/run/manager"
        words = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", INSIDE]
        self._process = subprocess.Popen([*words, str(MANAGER)], env=self.env, stdin=subprocess.DEVNULL)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside it."""
        inside = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True).stdout.strip()
        enter = ["nsenter", f"--target={inside}", "--mount", "--pid"]
        env = {**self.env, "XDG_STATE_HOME": self.env["XDG_CONFIG_HOME"]}
        return subprocess.run([*enter, *words], env=env, capture_output=True, text=True, timeout=20, check=False)

    def systemctl(self, *words: str) -> str:
        """Run systemctl; return what it printed. An error is a failed test."""
        done = self.run("systemctl", "--user", "--no-pager", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def lives(self, within: float = 5.0) -> bool:
        """Whether it takes orders within some seconds."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.run("systemctl", "--user", "list-units", "none").returncode == 0:
                return True
            time.sleep(0.05)
        return False

    def close(self) -> None:
        """End it with all that it started."""
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        assert all_gone(family)
        for slice_ in Path("/sys/fs/cgroup").glob("*/app.slice"):  # what it leaves behind, as far as it is empty
            for group in (*sorted(filter(Path.is_dir, slice_.rglob("*")), reverse=True), slice_):
                with contextlib.suppress(OSError):
                    group.rmdir()
        for scope in Path("/sys/fs/cgroup").glob("*/init.scope"):
            with contextlib.suppress(OSError):
                scope.rmdir()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Give a manager with the template."""
    tools = [shutil.which(name) for name in ("unshare", "nsenter", "systemctl", "pgrep")]
    if os.geteuid() != 0 or not MANAGER.exists() or None in tools:
        pytest.skip("no systemd can be run here")
    units = tmp_path / "config" / "systemd" / "user"
    units.mkdir(parents=True)
    (units / "default.target").write_text("[Unit]\nDescription=nothing\n")
    (units / "xyfleet@.service").write_text(unit(tmp_path))
    for name in ("one", "two"):
        (tmp_path / f"{name}.yml").write_text(ACCOUNTS)
        (tmp_path / f"{name}.yml").chmod(0o600)
    found = Manager(tmp_path)
    try:
        if not found.lives():
            pytest.skip("systemd does not run in a namespace here")
        yield found
    finally:
        found.close()


def test_two_units_of_the_template_under_a_real_systemd(manager: Manager, tmp_path: Path) -> None:
    """Started they are READY; one is stopped, its run folder goes, and commands from outside find the other one."""
    assert manager.run("systemd-analyze", "--user", "--man=no", "verify", "xyfleet@one.service").returncode == 0
    manager.systemctl("start", "xyfleet@one", "xyfleet@two")
    shown = manager.systemctl("show", "-p", "SubState,WatchdogUSec,StatusText", "xyfleet@two")
    assert {"SubState=running", "WatchdogUSec=3min"} <= set(shown.splitlines())
    manager.systemctl("stop", "xyfleet@one")
    assert manager.run("ls", "/run/manager/xyfleet").stdout.split() == ["two"]
    manager.systemctl("reload", "xyfleet@two")
    deadline = time.monotonic() + 20
    while (status := manager.run(*COMMAND, "--lang", "en", "--fleet", "two", "status")).returncode == NOT_CONNECTED:
        assert time.monotonic() < deadline
    assert status.returncode == 0, status.stderr
    assert "two · connected 1 of 1" in status.stdout
    kept = sorted(path.name for path in (tmp_path / "config" / "xyfleet").iterdir())
    assert kept == ["fleets", "one", "owners", "two"]
    began = time.monotonic()
    manager.systemctl("stop", "xyfleet@two")
    assert time.monotonic() - began < 5.0


class UnitFleet(Fleet):
    """A fleet with the folders that systemd gives to its unit."""

    def __init__(self, base: Path, name: str, gateway: Gateway) -> None:
        folder = base / name
        folder.mkdir()
        super().__init__(folder, gateway.endpoint, gateway.token_url, accounts=1)
        self.config["fleet"]["name"] = name
        del self.config["fleet"]["state_dir"], self.env["XYFLEET_RUN_DIR"]
        self.env["XDG_STATE_HOME"] = str(base / "home")
        for variable in ("RUNTIME_DIRECTORY", "STATE_DIRECTORY"):
            given = base / variable[0] / name
            given.mkdir(parents=True, mode=0o700)
            self.env[variable] = str(given)

    @property
    def run_dir(self) -> Path:
        return Path(self.env["RUNTIME_DIRECTORY"])


def test_one_units_folders_go(tmp_path: Path, gateway: Gateway) -> None:
    """As systemd does it: run and state folder of each by variables, and the run folder of the stopped one removed."""
    with running(UnitFleet(tmp_path, "one", gateway)) as one, running(UnitFleet(tmp_path, "two", gateway)) as two:
        one.stop()
        shutil.rmtree(one.run_dir)
        env = {name: value for name, value in two.env.items() if not name.endswith("_DIRECTORY")}
        said = subprocess.run([*COMMAND, "status", "--json"], env=env, capture_output=True, text=True, check=False)
        assert json.loads(said.stdout)["fleet"]["name"] == "two"
        assert Path(two.env["STATE_DIRECTORY"], "lock").is_file()
