"""Why something is as it is: a code with fields, whose sentence is made where it is shown. Pure.

`str()` gives the raw English words, for logs and for programs that read them. What a person sees, in his language, is
made of the same code by `xyfleet.supervisor.presentation.reason_text`.
"""

from __future__ import annotations

from typing import Final

import msgspec

TEXTS: Final[dict[str, str]] = {
    # What somebody waits for.
    "wait_start": "waits for turn %(turn)d to start",
    "wait_dial": "waits for turn %(turn)d to dial, about %(seconds).0f s",
    "wait_token": "waits for turn %(turn)d to call for a token, about %(seconds).0f s",
    "wait_token_pause": "last token call failed; next one in %(seconds).0f s",
    "wait_token_budget": "token calls of this day are used up; next one in %(seconds).0f s",
    "wait_hook": "waits for turn %(turn)d of the login hook",
    "wait_hook_about": "waits for turn %(turn)d of the login hook, about %(seconds).0f s",
    "wait_user": "waits for its user: %(name)s still has it",
    "wait_other_fleet": "another fleet of this machine holds this user",
    "wait_outage": "waits for the end of the outage",
}
"""Code to raw words. A code, once out, keeps its meaning; a newer version may know more of them."""


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why, as a code (a key of `TEXTS`) with its fields. A field `of` is a reason itself; `words` are foreign."""

    code: str
    fields: dict[str, str | int | float | Reason] = {}

    def __str__(self) -> str:
        try:
            return TEXTS[self.code] % {
                key: str(value) if isinstance(value, Reason) else value for key, value in self.fields.items()
            }
        except (KeyError, TypeError, ValueError):  # of another version
            return self.code
