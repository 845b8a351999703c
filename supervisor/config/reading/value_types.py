"""The kinds of values in accounts.yml, each with what it may hold. Pure."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from xyfleet.supervisor.common.i18n import N_

_YEAR: Final = 31_536_000
LEAST_MEMORY: Final = 16 * 1024 * 1024  # a worker needs some 6 MiB; a limit near that restarts it for ever
LEAST_INBOX: Final = 1_000_000  # an empty inbox has some 50 kB; one with a day's messages must fit
_MODULE_WORD: Final = r"[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*"

OFF: Final = "none"
"""The word by which an account takes back what `defaults` has."""

# `kind` tells `scalar_readers` how a scalar is read, `hint` what to say when the pattern doesn't fit.
Text = Annotated[str | float, Meta(extra={"kind": "text"})]
"""Taken as it is written: `012345` stays that."""
SecretText = Annotated[str | float, Meta(extra={"kind": "secret"})]
"""Text where a part cut off by ` #` is worth a warning."""
CookieText = Annotated[str | float, Meta(extra={"kind": "cookie"})]
"""The same, and quotes of any kind around it are undone."""
Name = Annotated[
    str | float,
    Meta(
        extra={"kind": "text", "hint": N_("use 1 to 64 of the characters A-Z a-z 0-9 . _ -")},
        extra_json_schema={"pattern": r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$"},
    ),
]
Tag = Annotated[
    str | float,
    Meta(
        extra={"kind": "text", "hint": N_("use 1 to 64 characters without blanks, commas, @ * ? [ ]")},
        extra_json_schema={"pattern": r"^[^\s,@*?\[\]]{1,64}$"},
    ),
]
Api = Annotated[
    str,
    Meta(
        extra={"kind": "text", "hint": N_("write the API's name, such as mtop.taobao.idle.pc.detail")},
        extra_json_schema={"pattern": r"^mtop(\.[A-Za-z0-9_]{1,60}){1,10}$"},
    ),
]
Label = Annotated[
    str | float,
    Meta(
        extra={"kind": "label", "hint": N_("use at most 200 characters")},
        extra_json_schema={"pattern": r"^[^\n\t]{0,200}$"},
    ),
]
UserAgent = Annotated[
    str,
    Meta(
        extra={"kind": "text", "hint": N_("use one line of plain ASCII, as a browser sends it")},
        extra_json_schema={"pattern": r"^[ -~]{1,512}$"},
    ),
]
Language = Annotated[
    str,
    Meta(
        extra={"kind": "text", "hint": N_("write a language as browsers do: zh-CN, en-US")},
        extra_json_schema={"pattern": r"^[a-z]{2,3}(-[A-Z]{2})?$"},
    ),
]
Handler = Annotated[
    str,
    Meta(
        extra={
            "kind": "text",
            "hint": N_(
                "write package.module:function, such as mypkg.replies:answer (no path, no .py); keywords, deliver, none"
            ),
        },
        extra_json_schema={
            "pattern": rf"^(?:{OFF}|keywords|deliver|(?!.*\.py:){_MODULE_WORD}(?:\.{_MODULE_WORD})*:{_MODULE_WORD})$",
        },
    ),
]
Variable = Annotated[
    str,
    Meta(
        extra={
            "kind": "text",
            "hint": N_("write an environment variable's name, such as OPENAI_API_KEY, no value"),
        },
        extra_json_schema={"pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"},
    ),
]
Handlers = Annotated[list[Handler], Meta(min_length=1, max_length=10)]
"""Asked in turn, until one answers."""
Size = Annotated[
    int | str,
    Meta(
        extra={"kind": "size"},
        extra_json_schema={"pattern": r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?)?[Bb]?$"},
    ),
]
"""Bytes: `200MB` (millions), `64MiB` (of 1,048,576) or a plain number."""
Seconds = Annotated[float, Meta(gt=0, le=_YEAR)]
Period = Annotated[float, Meta(ge=0, le=_YEAR)]
"""Seconds; 0 switches what it is for off."""
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Rate = Annotated[float, Meta(ge=0, le=1_000_000)]
