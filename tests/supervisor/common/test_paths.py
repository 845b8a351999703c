"""Where a fleet's sockets and inboxes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from xyfleet.supervisor.common.paths import MAX_SOCKET_PATH, PathRefused, control_socket, inbox_file, webhook_socket


def test_inboxes_lie_in_the_state_folder() -> None:
    """One file per account."""
    assert inbox_file(Path("/s"), "shop.001") == Path("/s/inbox/shop.001.db")


def test_both_sockets_have_room_or_neither() -> None:
    """Who could start has room for the webhook's socket too; a path that is too long says what to do."""
    room = MAX_SOCKET_PATH - len("/webhook.sock")
    folder = Path("/" + "x" * (room - 1))

    assert control_socket(folder) == folder / "control.sock"
    assert webhook_socket(folder) == folder / "webhook.sock"
    for socket in (control_socket, webhook_socket):
        with pytest.raises(PathRefused, match=r"has 108 bytes, at most 107; set XYFLEET_RUN_DIR"):
            socket(Path(f"{folder}x"))
