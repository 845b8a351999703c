"""Reasons as sentences in the reader's language. Pure."""

from __future__ import annotations

from xyfleet.supervisor.common.i18n import tr
from xyfleet.worker.reasons import TEXTS, Reason


def reason_words(reason: Reason, language: str) -> str:
    """Return a reason in `zh` or `en`; a code of a newer version as it is. Foreign words in it stay foreign."""
    values = {key: _field(value, language) for key, value in reason.fields.items()}
    try:
        return tr(language, TEXTS.get(reason.code, reason.code)) % values
    except (KeyError, TypeError, ValueError):
        return reason.code


def _field(value: str | int | float | Reason, language: str) -> str | int | float:
    """Return a field as it is shown; foreign words that are a sentence of ours are translated too."""
    if isinstance(value, Reason):
        return reason_words(value, language)
    return tr(language, value) if isinstance(value, str) else value
