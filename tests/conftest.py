"""Shared by all tests: every asyncio test runs on uvloop, as the workers do."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest
import uvloop

from support.gateway import Gateway

# A machine that runs other tests beside these must not turn slow examples into failures.
# `--long` tries more than twice as many of them.
for profile, examples in (("short", 40), ("long", 100)):
    hypothesis.settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("short")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run coroutines on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def _resident_gateway() -> Iterator[Gateway]:
    with Gateway("--list-wait", "0") as running:
        yield running


@pytest.fixture
def fresh_gateway(_resident_gateway: Gateway) -> Gateway:
    """Give a gateway as new whose process serves the whole run: a test must leave it running."""
    _resident_gateway.reset()
    return _resident_gateway


@pytest.fixture
def gateway(fresh_gateway: Gateway) -> Gateway:
    """Give a gateway as new; starting a process for every test would cost a minute of the whole run."""
    return fresh_gateway


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 1 MB."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("a small disk can't be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)
