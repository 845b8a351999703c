"""Where a fleet's sockets and inboxes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from xyfleet.supervisor.common.paths import (
    MAX_SOCKET_PATH,
    PathRefused,
    control_socket,
    inbox_file,
    run_dir,
    webhook_socket,
)
from xyfleet.supervisor.settings import Fleet


def test_inboxes_lie_in_the_state_folder() -> None:
    """One file per account."""
    assert inbox_file(Path("/s"), "2200000000001") == Path("/s/inbox/2200000000001.db")


def test_both_sockets_have_room_or_neither() -> None:
    """Who could start has room for the webhook's socket too; a path that is too long says what to do."""
    room = MAX_SOCKET_PATH - len("/webhook.sock")
    folder = Path("/" + "x" * (room - 1))

    assert control_socket(folder) == folder / "control.sock"
    assert webhook_socket(folder) == folder / "webhook.sock"
    for socket in (control_socket, webhook_socket):
        with pytest.raises(PathRefused, match=r"has 108 bytes, at most 107; set XYFLEET_RUN_DIR"):
            socket(Path(f"{folder}x"))


@pytest.mark.parametrize(
    ("uid", "env", "expected"),
    [
        (0, {}, "/run/xyfleet/shops"),
        (7, {}, "/s/run"),
        (7, {"XDG_RUNTIME_DIR": "/run/user/7"}, "/run/user/7/xyfleet/shops"),
        (0, {"RUNTIME_DIRECTORY": "/run/xyfleet/shops"}, "/run/xyfleet/shops"),
        (7, {"RUNTIME_DIRECTORY": "/run/xyfleet:/run/other", "XDG_RUNTIME_DIR": "/x"}, "/run/xyfleet/shops"),
        (0, {"XYFLEET_RUN_DIR": "/r", "RUNTIME_DIRECTORY": "/run/xyfleet"}, "/r/shops"),
        (7, {"XYFLEET_RUN_DIR": "/r/shops"}, "/r/shops/shops"),
    ],
)
def test_each_fleet_has_a_run_folder_of_its_own(uid: int, env: dict[str, str], expected: str) -> None:
    """B7, finding 15: whatever says where it is, two fleets with the same settings don't meet there."""
    fleet = Fleet(name="shops", state_dir=Path("/s"))

    assert run_dir(fleet, env, uid) == Path(expected)
