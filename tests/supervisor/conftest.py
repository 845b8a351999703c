"""Shared by the supervisor's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xyfleet.supervisor.workers.forkserver import Forkserver


@pytest.fixture(scope="module")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forkserver]:
    """Give a forkserver that nobody asks for workers: accounts stay in the start queue."""
    found = Forkserver(tmp_path_factory.mktemp("f"))
    yield found
    found.kill()
    found.close()
