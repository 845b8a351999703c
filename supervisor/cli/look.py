"""How lines of messages are to look on this terminal. Shell."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import tzinfo

from xyfleet.supervisor.api.client import Client
from xyfleet.supervisor.common.timestamps import zone
from xyfleet.supervisor.presentation.message_text import MessageStyle


def zone_of(client: Client) -> tzinfo | None:
    """Return the fleet's time zone; None = this machine's own."""
    return zone(json.loads(client.get("/v1/health").body)["timezone"])


def look(language: str, where: tzinfo | None) -> MessageStyle:
    """Return it as it is now: a terminal has colours, and a width that may change."""
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    return MessageStyle(language, where, colour=terminal, width=width)
