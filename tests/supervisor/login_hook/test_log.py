"""The log of a login hook: redacted, cut, rotated, and never in the way of a login."""

from __future__ import annotations

import logging
import re
import stat
from pathlib import Path

import pytest

from support.hooks import NEW, UNB, Service, log_of, run
from xyfleet.supervisor.login_hook.log import MAX_FILE, MAX_RUN
from xyfleet.supervisor.login_hook.policy import NothingToChange

pytestmark = pytest.mark.pythons


async def test_stderr_goes_redacted_to_its_log(service: Service, tmp_path: Path) -> None:
    """Lines of stderr are in the account's hook log, between ours, without a secret; the file is the owner's only."""
    hooks = service(f"""
        told = json.load(sys.stdin)
        print("trying", told["username"], "with", told["password"], "over", told["proxy"], file=sys.stderr)
        print("old", told["cookie"], file=sys.stderr)
        print("new {NEW}", file=sys.stderr)
        sys.stderr.write("no end")
        say(cookie="{NEW}")
    """)
    await run(hooks)
    await hooks.close()
    lines = log_of(tmp_path).splitlines()

    assert [line.partition(" xyfleet: ")[2] or line for line in lines] == [
        "attempt 1, cause auth",
        "trying *** with *** over socks5://***@127.0.0.1:1",
        "old ***",
        f"new unb={UNB}; cookie2=***",
        "no end",
        "new cookie",
    ]
    assert "secret" not in log_of(tmp_path)
    assert stat.S_IMODE((tmp_path / "logs" / "shop.hook.log").stat().st_mode) == 0o600


async def test_a_flood_of_stderr_is_cut(service: Service, tmp_path: Path) -> None:
    """A talkative hook fills its share of the log and no more, endless lines are left out, and it is no fault."""
    hooks = service("""
        sys.stderr.write("x" * 100000 + "\\n")
        sys.stderr.buffer.write(b"\\xff bytes\\n")
        for number in range(50000): sys.stderr.write(f"line {number} of many\\n")
        say()
    """)

    assert await run(hooks) == NothingToChange()
    await hooks.close()
    log = log_of(tmp_path)
    assert (MAX_RUN - 100_000) * 0.9 < len(log) < (MAX_RUN - 100_000) * 1.1
    assert "(a line of 100000 characters, left out)\n\ufffd bytes\nline 0 of many\n" in log
    assert re.search(r"\(more than one run may write: the rest is left out\)\n.* xyfleet: nothing to change\n$", log)
    assert "xxx" not in log


async def test_the_log_is_rotated(service: Service, tmp_path: Path) -> None:
    """A full log is put aside as `.1` and begun anew."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "shop.hook.log").write_bytes(b"old\n" * (MAX_FILE // 4))
    hooks = service("print('news', file=sys.stderr); say()")
    await run(hooks)
    await hooks.close()

    assert "news" in log_of(tmp_path)
    assert len(log_of(tmp_path)) < 1000
    assert (tmp_path / "logs" / "shop.hook.log.1").stat().st_size == MAX_FILE


async def test_a_full_disk_does_not_stop_a_login(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A log that can't be written (here: no folder can be made for it) is told once a run; the answer counts."""
    (tmp_path / "logs").touch()
    hooks = service("print('news', file=sys.stderr); say()")
    with caplog.at_level(logging.WARNING, "xyfleet.hook"):
        assert await run(hooks) == NothingToChange()
        await hooks.close()

    assert [record.getMessage() for record in caplog.records] == ["shop.hook.log: 3 lines not written: File exists"]


async def test_without_a_folder_the_lines_go_to_the_supervisor_s_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """With `log.dir: none` the redacted lines are log records."""
    hooks = service("print('it is pass-word', file=sys.stderr); say()", log_dir=None)
    with caplog.at_level(logging.INFO, "xyfleet.hook"):
        await run(hooks)
        await hooks.close()

    assert "shop: it is ***" in [record.getMessage() for record in caplog.records]
    assert "pass-word" not in caplog.text
