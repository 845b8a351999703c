"""How the failure of an owner's code is told: a sentence, and a traceback that is not too long. Pure."""

from __future__ import annotations

import os
import traceback
from typing import Final

from xyfleet.worker.handlers.concealing import MOST_LOOKED_FOR, conceal
from xyfleet.worker.handlers.loader import Unusable
from xyfleet.worker.reasons import Reason
from xyfleet.worker.reasons import words as foreign

TRACE_HEAD: Final = 2000
TRACE_TAIL: Final = 6000
"""Characters of a long traceback that are kept, of its beginning and its end."""


def described(error: BaseException) -> tuple[Reason, str | None]:
    """Return why an import failed, and the traceback where that says more."""
    if isinstance(error, Unusable):
        return error.reason, None
    return foreign(sentence(error)), shortened("".join(traceback.format_exception(error)))


def told(error: BaseException, text: str) -> tuple[str, str]:
    """Return why a call failed and where, without the message's text; to look for one too long takes too long."""
    if len(text) > MOST_LOOKED_FOR:
        return type(error).__name__, shortened("".join(traceback.format_tb(error.__traceback__)))
    trace = shortened("".join(traceback.format_exception(error)))
    return conceal(sentence(error), text), conceal(trace, text)


def sentence(error: BaseException) -> str:
    """Return an error as `Type: its words`; for a syntax error these hold the file's name and line."""
    try:
        words = str(error)
    except Exception as worse:  # noqa: BLE001 (the owner's own class, and his `__str__`)
        words = f"its text raises {type(worse).__name__}"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def shortened(trace: str) -> str:
    """Return a traceback without its middle, if it is long."""
    if len(trace) <= TRACE_HEAD + TRACE_TAIL:
        return trace
    return f"{trace[:TRACE_HEAD]}{os.linesep}…{os.linesep}{trace[-TRACE_TAIL:]}"
