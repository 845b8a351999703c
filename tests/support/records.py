"""Records in a store, changed as a test needs them."""

from __future__ import annotations

from typing import Any

from xyfleet.supervisor.credentials.store import Store


def change(store: Store, name: str, **fields: Any) -> None:
    """Let what is kept of an account have these fields."""
    store.put(store.key(name), store.get(name).but(**fields))
