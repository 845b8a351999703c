"""B24: a command that sees a cookie leaves no core file with it, and no other process looks into its memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from support.standin import StandIn, account, environment, serving
from support.terminal import terminal

pytestmark = pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="no core files here anyway")


def most_core(pid: int) -> str:
    """Return the hard limit of a process's core files."""
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[5] for line in limits if line.startswith("Max core"))


async def test_login_keeps_what_is_pasted(tmp_path: Path) -> None:
    """Already while it waits for the cookie: Ctrl-\\ behind it would leave a core."""
    async with serving(StandIn(tmp_path, [account("a")])):
        with terminal(tmp_path, "login", "a") as screen:
            await screen.until(b"Paste the cookie")

            assert most_core(screen.process.pid) == "0"


def test_check_keeps_what_it_reads(tmp_path: Path) -> None:
    """Already while it reads the file."""
    names = "".join(f"- {{name: a{n}, cookie: unb={n}}}\n" for n in range(1, 3000))
    (tmp_path / "accounts.yml").write_text(f"accounts:\n{names}- {{name: bad name}}\n")
    words = [sys.executable, "-P", "-c", "from xyfleet.supervisor.cli.main import main; raise SystemExit(main())"]
    seen = set()
    with subprocess.Popen(
        [*words, "check", str(tmp_path / "accounts.yml")],
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            seen.add(most_core(process.pid))

    assert process.returncode == 2
    assert "0" in seen
