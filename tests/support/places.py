"""Where the repository's folders are, so that a test finds them from whatever folder it lies in. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
REPOSITORY: Final = TESTS.parent
DOCS: Final = REPOSITORY / "docs"
VECTORS_FILE: Final = TESTS / "vectors" / "goofish.json"
"""The wire as data."""
