"""Which program files a worker runs: the version and a digest of this package's sources. Shell (reads the files)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from xyfleet.worker.version import VERSION


def marker() -> str:
    """
    Return the marker of the files as they are on disk now.

    A worker reports the marker of the files that its forkserver was started with. When it is not the supervisor's own,
    the program was changed under a live fleet.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(f"{path.name}\n".encode())
        digest.update(path.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:16]}"
