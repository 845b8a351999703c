"""Reasons as sentences in the reader's language. Pure."""

from __future__ import annotations

from xyfleet.supervisor.common.i18n import tr
from xyfleet.worker.reasons import TEXTS, Reason


def reason_words(reason: Reason, language: str) -> str:
    """Return a reason in `zh` or `en`; a code of a newer version as it is. Foreign words in it stay foreign."""
    values = {
        key: reason_words(value, language) if isinstance(value, Reason) else value
        for key, value in reason.fields.items()
    }
    try:
        return tr(language, TEXTS[reason.code]) % values
    except (KeyError, TypeError, ValueError):
        return reason.code
