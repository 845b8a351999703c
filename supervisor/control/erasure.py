"""What there is of an account besides its credentials, and its deletion. Shell."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Final

from xyfleet.supervisor.config.cross_checks import SIDE_LOGS

_NAME: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")


def is_name(name: str) -> bool:
    """Say whether this is the name of an account, so that no path made of it leads elsewhere."""
    return _NAME.fullmatch(name) is not None


class Leftovers:
    """
    An account's inbox, its log files, and the profiles of browsers in which a person logged it in.

    Args:
        others: Names that are accounts too: what is theirs is left alone.
    """

    def __init__(
        self, name: str, inbox: Path, log_dir: Path | None, others: Container[str], profiles: Sequence[Path] = ()
    ) -> None:
        assert is_name(name), name
        self._name = name
        self._inbox = inbox
        self._log_dir = log_dir
        self._others = others
        self._profiles = profiles

    def delete(self) -> tuple[list[str], str | None]:
        """Delete them; return the paths that are gone now, and what the system said about one that could not go."""
        deleted, trouble = [], None
        for path in self.paths():
            try:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    deleted.append(str(path))
            except OSError as error:
                trouble = f"{path}: {error.strerror}"
        for profile in filter(os.path.lexists, self._profiles):
            try:
                shutil.rmtree(profile)
                deleted.append(str(profile))
            except OSError as error:
                trouble = f"{error.filename or profile}: {error.strerror or error}"
        return deleted, trouble

    def paths(self) -> list[Path]:
        """Return the paths of the inbox, of its side files, there or not, and of the log files that are there."""
        # The file behind them: without it, what a crash left in the side files belongs to nothing. And they once more:
        # who began to read just now may have made new ones.
        sides = [self._inbox.with_name(self._inbox.name + end) for end in ("-wal", "-shm", "-journal", "-once")]
        return [*sides, self._inbox, *sides, *self._logs()]

    def _logs(self) -> list[Path]:
        if self._log_dir is None or not self._log_dir.is_dir():
            return []
        ends = [re.escape(side) for side in SIDE_LOGS if self._name + side not in self._others]
        if not any(self._name.removesuffix(side) in self._others for side in SIDE_LOGS if self._name.endswith(side)):
            ends.append("")  # else that log is, or may be, a side file of another account
        if not ends:
            return []
        ours = re.compile(rf"{re.escape(self._name)}({'|'.join(ends)})\.log(\.\d+)?")
        return sorted(path for path in self._log_dir.iterdir() if ours.fullmatch(path.name))
