"""Reasons as texts that are said in a reader's language later. Pure."""

from __future__ import annotations

from xyfleet.supervisor.common.i18n import Text
from xyfleet.worker.reasons import TEXTS, Reason


def said(reason: Reason) -> Text:
    """Return a reason as a sentence."""
    fields = {key: said(value) if isinstance(value, Reason) else value for key, value in reason.fields.items()}
    return Text(TEXTS.get(reason.code, reason.code), fields)
