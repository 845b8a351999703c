"""Which program files a worker runs: the version and a digest of this package's sources. Shell (reads the files)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from xyfleet.worker.version import VERSION


def build_id() -> str:
    """
    Return the marker of the files as they are on disk now.

    A worker reports the marker of the files that its forkserver was started with. When it is not the supervisor's own,
    the program was changed under a live fleet.
    """
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\n".encode())
        digest.update(path.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:16]}"
