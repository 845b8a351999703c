"""What all readers of nodes have in common: their face, and what they say where another sort of node stands. Pure.

A reader never stops at a problem: it notes it, returns `BAD` for the value, and the rest is read on.
"""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

from xyfleet.supervisor.common.i18n import N_, _
from xyfleet.supervisor.config.reading.problems import At, Bad, Problems
from xyfleet.supervisor.config.reading.yaml_tree import Mapping, Node, Scalar, Sequence

FOUND: Final = {Scalar: N_("text"), Sequence: N_("a list"), Mapping: N_("settings (key: value)")}
"""What a node is, in words."""


class Reader(Protocol):
    """Reads one node."""

    def read(self, node: Node, at: At, problems: Problems) -> Any:
        """Return the value, or note problems and return `BAD`."""


def scalar_text(node: Node, at: At, problems: Problems, expected: str) -> str | Bad:
    """Return a scalar's raw text; `expected` says in words what the setting takes."""
    if not isinstance(node, Scalar):
        return mismatch(node, at, problems, expected, _("if the value begins with [ or {, put it in quotes"))
    if node.empty:
        return problems.add(at, _("has no value"), _("write a value, or remove the line"))
    return node.text


def mismatch(node: Node, at: At, problems: Problems, expected: str, remedy: str) -> Bad:
    """Note that another sort of node stands here; a colon that was meant to part key and value is named."""
    message = _("expected %(expected)s, found %(found)s")
    if isinstance(node, Scalar) and "：" in node.text:
        remedy = _("a full-width colon “：” stands here: write “: ”")
    elif isinstance(node, Scalar) and re.match(r"[A-Za-z_]+:\S", node.text):
        remedy = _("the colon needs a space after it: write “key: value”")
    return problems.add(at, message % {"expected": expected, "found": _(FOUND[type(node)])}, remedy)
