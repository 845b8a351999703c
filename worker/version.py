"""The version of xyfleet, said once: pyproject.toml reads it from here, and so does the program. Pure.

A plain value, because importlib.metadata costs some 10 ms at each start of the command and needs installed metadata,
which a checkout has not.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
