"""Which accounts a new reading of the file ends."""

from __future__ import annotations

from pathlib import Path

from support.settingsfile import SettingsFile
from xyfleet.supervisor.config.diff import lost


def test_removed_and_newly_disabled_accounts_are_lost(tmp_path: Path) -> None:
    """An account that was disabled already, or is enabled now, is not."""
    file = SettingsFile(tmp_path)
    old = file.load(accounts(a=True, b=True, c=False, d=False, e=True))
    new = file.load(accounts(a=True, b=False, c=False, d=True))

    assert lost(old, new) == ["b", "e"]


def accounts(**enabled: bool) -> str:
    """Return a file with these accounts."""
    lines = [f"- {{name: {name}, cookie: unb={ord(name)}, enabled: {str(on).lower()}}}" for name, on in enabled.items()]
    return "\n".join(("accounts:", *lines)) + "\n"
