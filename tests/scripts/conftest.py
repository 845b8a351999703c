"""Shared by the tests of scripts/: a machine without any Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine without any Python."""
    return Machine(tmp_path)
