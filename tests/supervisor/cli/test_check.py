"""`xyfleet check`: a file's faults, warnings and worst case, without starting anything."""

from __future__ import annotations

import os
from pathlib import Path

from support.standin import run
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.identity import made
from xyfleet.worker.secret import Secret

GOOD = """\
version: 1
fleet:
  name: shops
  endpoint: simulator
accounts:
  - name: shop-001
    cookie: "unb=2200000000001; cookie2=sim-s3cret; _m_h5_tk=abc_1"
  - name: shop-002
    cookie: "unb=2200000000002; cookie2=sim-s3cret; _m_h5_tk=abc_1"
    enabled: false
"""


async def test_good_file(tmp_path: Path) -> None:
    """A good file is 0, with what it means in figures."""
    (tmp_path / "f.yml").write_text(GOOD)
    ended = await run(tmp_path, "check", str(tmp_path / "f.yml"))

    assert ended.code == 0
    assert ended.out.startswith("SIMULATOR")
    assert "2 accounts, 1 enabled, log files of 8,000,000 bytes at most, " in ended.out
    assert "messages of 200,000,000 bytes at most" in ended.out
    assert os.listdir(tmp_path) == ["f.yml"]


async def test_every_fault_is_named(tmp_path: Path) -> None:
    """All faults at once, each with its place; the code is 2, and no secret is shown."""
    faults = GOOD.replace("enabled: false", "enabld: false").replace("name: shop-002", "name: shop-001")
    (tmp_path / "f.yml").write_text(faults)
    ended = await run(tmp_path, "check", str(tmp_path / "f.yml"))

    assert (ended.code, ended.out) == (2, "")
    assert "f.yml:10" in ended.err
    assert "f.yml:8" in ended.err
    assert "enabled" in ended.err
    assert "problems: 2" in ended.err
    assert "s3cret" not in ended.err


async def test_faults_are_told_in_chinese(tmp_path: Path) -> None:
    """The words of the check are translated, too."""
    ended = await run(tmp_path, "check", "--lang", "zh", str(tmp_path / "none.yml"))

    assert ended.code == 2
    assert "有错，共1处" in ended.err


async def test_warnings_do_not_refuse(tmp_path: Path) -> None:
    """What this machine will not hold is said, and the file is good all the same."""
    (tmp_path / "f.yml").write_text(
        GOOD.replace("  name: shops\n", "  name: shops\n  log: {total: 900000000000000, max_bytes: 400000000000000}\n")
    )
    ended = await run(tmp_path, "check", str(tmp_path / "f.yml"))

    assert ended.code == 0
    assert ended.err


async def test_doubts_about_messages_do_not_refuse(tmp_path: Path) -> None:
    """A handler that is not there yet, a webhook in clear text: said with their place, and the file is good."""
    answerers = (
        "    handler: replies_to_come:answer\n",
        "    webhook: {url: 'http://example.com/s3cret', secret: s3cret}\n",
    )
    first, second = GOOD.split("  - name: shop-002\n")
    (tmp_path / "f.yml").write_text(f"{first}{answerers[0]}  - name: shop-002\n{answerers[1]}{second}")
    ended = await run(tmp_path, "check", str(tmp_path / "f.yml"))

    assert ended.code == 0
    assert "f.yml:8: shop-001: handler: there is no module replies_to_come in " in ended.err
    assert "f.yml:10: shop-002: webhook.url: sends messages over the network in clear text" in ended.err
    assert "s3cret" not in ended.err


async def test_real_endpoint_is_not_called_a_simulator(tmp_path: Path) -> None:
    """Only the built-in gateway is named so; a file of secrets that others can read is warned about."""
    real = GOOD.replace("  endpoint: simulator\n", "").replace("unb=22", "unb=33")
    (tmp_path / "f.yml").write_text(real)
    (tmp_path / "f.yml").chmod(0o644)
    ended = await run(tmp_path, "check", str(tmp_path / "f.yml"))

    assert ended.code == 0
    assert "SIMULATOR" not in ended.out
    assert "chmod 600" in ended.err


async def test_a_browser_that_waits_for_the_next_login(tmp_path: Path) -> None:
    """The file's browser is not the one that the login began with: said, and no fault."""
    store = Store(tmp_path / "state", retry=0.1)
    store.load([])
    store.adopt("shop-001", Secret("unb=2200000000001; cookie2=x"), "file", made(version=140))
    await store.close()
    text = GOOD.replace("name: shops", "name: shops\n  state_dir: state")
    (tmp_path / "f.yml").write_text(
        text.replace("  - name: shop-001", "  - name: shop-001\n    identity: {browser: edge}")
    )
    ended = await run(tmp_path, "check", str(tmp_path / "f.yml"))

    assert ended.code == 0
    assert "first for shop-001: Edge 151 (Windows), not Chrome 140 (Windows)" in ended.err
    assert "next login" in ended.err
