"""YAML's complaints in plain words, with the likely slip of the pen. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import yaml

from xyfleet.supervisor.common.i18n import N_, _
from xyfleet.supervisor.config.reading.problems import At, Problem, problem

_INDENT: Final = N_("lines of one group begin in the same column; use spaces")
_QUOTE: Final = N_("put the value in quotes: '…'")

_NO_NODE: Final = "did not find expected node content"

_SLIPS: Final = (
    (re.compile(r"\s*\t"), N_("a tab stands in the indentation"), N_("use spaces instead of tabs")),
    (re.compile(r"\s*(?:-\s+)?[\w.-]+\s*："), N_("a full-width colon “：” stands after the key"), N_("write “: ”")),
    (
        re.compile(r"\s*(?:-\s+)?(?:[\w.-]+:\s+)?[“”‘’]"),
        N_("full-width quotes stand here"),
        N_("write plain quotes: \" or '"),
    ),
    (re.compile(r"\s*(?:\u3000|\u00a0)"), N_("a full-width space stands in the indentation"), N_("use plain spaces")),
    (re.compile(r"\s*(?:[－—–]|-\S+\s*:(?:\s|$))"), N_("the dash needs a space after it"), N_("write “- name: …”")),
    (re.compile(r"\s*(?:-\s+)?[A-Za-z_]+:(?!//)\S"), N_("the colon needs a space after it"), N_("write “key: value”")),
    (
        re.compile(r"[^#]*(?:[\[{][^#]*[，】｛｝［］]|:\s+[【｛［])"),
        N_("full-width punctuation stands here"),
        N_("write , [ ] { } instead"),
    ),
)
"""What is often typed wrong: pattern of the line, what is wrong, what would be right."""

_CONTEXTS: Final = ("while scanning a simple key", "while scanning a quoted scalar", "while parsing a flow")
"""Where libyaml's complaint is about the place where the thing began, not where it noticed."""

_WORDS: Final = (
    ("found unexpected end of stream", N_("a quote that begins here is never closed"), N_("close it on the same line")),
    ("found unknown escape", N_("a backslash inside double quotes has a meaning of its own"), N_("use single quotes")),
    ("hexdecimal", N_("a backslash inside double quotes has a meaning of its own"), N_("use single quotes")),
    ("escape code", N_("a backslash inside double quotes has a meaning of its own"), N_("use single quotes")),
    ("found character that cannot start", N_("a value can't begin with this character"), _QUOTE),
    ("alphabetic or numeric", N_("a value can't begin with “*” or “&”"), _QUOTE),
    ("directive", N_("a line can't begin with “%”"), _QUOTE),
    ("tag", N_("a value can't begin with “!”"), N_("put the value in quotes")),
    ("comment or line break", N_("a value can't begin with “|” or “>”"), _QUOTE),
    (
        "mapping values are not allowed",
        N_("a “: ” stands where none can be"),
        N_("put a value that holds “: ” in quotes; check the indentation"),
    ),
    (
        "block sequence entries",
        N_("a list can't begin on the line of its key"),
        N_("begin the list on the next line, or write [a, b]"),
    ),
    ("could not find expected ':'", N_("this line has no “: ” between key and value"), N_("write “key: value”")),
    ("',' or", N_("a bracket that begins here is never closed, or a comma is missing"), N_("close it: […] or {…}")),
    ("expected key", N_("this line doesn't fit the lines above"), _INDENT),
    ("'-' indicator", N_("this line doesn't fit the list above"), _INDENT),
    ("expected <document start>", N_("this line doesn't fit the lines above"), _INDENT),
    ("tab character", N_("a tab stands in the indentation"), N_("use spaces instead of tabs")),
    (_NO_NODE, N_("a value can't begin with this character"), _QUOTE),
)
"""libyaml's words (a part of them), ours, and the remedy; the first that fits."""


_LOOKED_AT: Final = 1000
"""Characters of a line that the patterns of slips see: their time grows with the square of a line's length."""


def explain(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """Return the problem that a YAML error means. Nothing of the file's text is repeated."""
    lines = text.splitlines()
    noticed, began, words = _marks(error)
    if words == _NO_NODE and _at_end(error, text):
        return problem(At(file, len(lines)), _("the file ends inside a bracket"), _("close it: […] or {…}"))
    for number in _suspects(noticed, began, len(lines)):
        for pattern, message, remedy in _SLIPS:
            if pattern.match(lines[number - 1][:_LOOKED_AT]):
                return problem(At(file, number), _(message), _(remedy))
    for part, message, remedy in _WORDS:
        if part in words:
            return problem(At(file, began or noticed), _(message), _(remedy))
    return problem(At(file, began or noticed), _("is not valid YAML"), _(_INDENT))


def _marks(error: yaml.YAMLError) -> tuple[int | None, int | None, str]:
    """Return the line where the error was noticed, the line where its cause began, and libyaml's words."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return None, None, ""
    noticed = error.problem_mark.line + 1 if error.problem_mark else None
    began = None
    if error.context_mark and (error.context or "").startswith(_CONTEXTS):
        began = error.context_mark.line + 1
    return noticed, began, error.problem or ""


def _at_end(error: yaml.YAMLError, text: str) -> bool:
    """Whether nothing stands behind the place where the error was noticed."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return mark is not None and mark.index >= len(text.rstrip())


def _suspects(noticed: int | None, began: int | None, count: int) -> Iterator[int]:
    """Yield the lines where the slip may be, likeliest first."""
    nearby = [] if noticed is None else [noticed, noticed - 1, noticed - 2]
    for number in dict.fromkeys(([began] if began else []) + nearby):
        if 1 <= number <= count:
            yield number
