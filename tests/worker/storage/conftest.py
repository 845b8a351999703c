"""Shared by the tests of the storage: a new store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from xyfleet.worker.storage.message_store import MessageStore


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Give the path of an inbox that is not there yet."""
    return str(tmp_path / "inbox" / "shop-001.db")


@pytest.fixture(scope="module")
def new_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the content of a new file."""
    made = tmp_path_factory.mktemp("new") / "a.db"
    MessageStore(str(made), "a").close()
    return made.read_bytes()


@pytest.fixture
def store(path: str, new_file: bytes) -> Iterator[MessageStore]:
    """Give a new store."""
    os.mkdir(os.path.dirname(path))
    Path(path).write_bytes(new_file)
    with contextlib.closing(MessageStore(path, "shop-001")) as opened:
        opened.db.execute("PRAGMA synchronous = OFF")
        yield opened
