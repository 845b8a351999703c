"""YAML text as a tree of nodes with line numbers, within fixed bounds of depth and size. Pure.

The tree is built from libyaml's events, because PyYAML's own `compose()` overruns the C stack on deep nesting
(a crash at some 100,000 brackets, measured) and shares aliases, which hides how far they expand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.reading.problems import At, BadFile, problem
from xyfleet.supervisor.config.reading.yaml_errors import explain

MAX_DEPTH: Final = 32
"""Most levels, aliases expanded; a settings file has 5."""
MAX_NODES: Final = 1_000_000
"""Most nodes, aliases expanded; an account has some 30."""

_LIBYAMLS_BOUND: Final = "maximum nesting depth"
"""A part of libyaml's words: its newer versions have a bound of their own, which a deep file may meet before ours."""
_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))
_COMMENT: Final = re.compile(r"[ \t]+#[^\s#]")
_PLAIN_TAGS: Final = (None, "!", "tag:yaml.org,2002:str")


@dataclass(slots=True)
class Scalar:
    """A single value."""

    line: int
    text: str
    plain: bool
    """Whether it stands without quotes."""
    comment: bool
    """Whether a comment follows that may have been meant as a part of it: `abc #1`, not `abc  # the first`."""
    size: int = 1
    height: int = 1

    @property
    def empty(self) -> bool:
        """Whether this is YAML's null."""
        return self.plain and self.text in _NULLS


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class Mapping:
    """Keys with values, in the file's order, duplicates included."""

    line: int
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    size: int = 1
    height: int = 1


Node = Scalar | Sequence | Mapping


def compose(text: str, file: str) -> Node | None:
    """Return the root of the file's only document; None when there is none. Raises `BadFile`."""
    try:
        return _Composer(text, file).document()
    except yaml.MarkedYAMLError as error:
        if error.problem_mark is not None and _LIBYAMLS_BOUND in (error.problem or ""):
            raise _too_deep(file, error.problem_mark.line + 1) from None
        raise BadFile([explain(error, text, file)]) from None
    except yaml.YAMLError as error:
        raise BadFile([explain(error, text, file)]) from None


class _Composer:
    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def document(self) -> Node | None:
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self._refuse(event, _("a second document begins"), _("remove the line with ---"))
                root = self._node(next(self._events), 1)
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        """Return the node that begins with `event`."""
        if depth > MAX_DEPTH:
            raise _too_deep(self._file, _line(event))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.tag not in _PLAIN_TAGS:
            raise self._refuse(event, _("a value can't begin with “!”"), _("put the value in quotes"))
        before = self._count(1, event)
        node = self._fresh(event, depth)
        node.size = self._nodes - before
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _fresh(self, event: yaml.Event, depth: int) -> Node:
        line = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0]
            comment = plain and event.end_mark is not None and _follows(self._text, event.end_mark.index)
            return Scalar(line, event.value, plain, comment)
        if isinstance(event, yaml.SequenceStartEvent):
            items = Sequence(line)
            for child in self._children(depth):
                items.items.append(child)
                items.height = max(items.height, child.height + 1)
            return items
        pairs = Mapping(line)
        children = self._children(depth)
        for key in children:
            value = next(children)
            pairs.pairs.append((key, value))
            pairs.height = max(pairs.height, value.height + 1, key.height + 1)
        return pairs

    def _children(self, depth: int) -> Iterator[Node]:
        for event in self._events:
            if isinstance(event, yaml.CollectionEndEvent):
                return
            yield self._node(event, depth + 1)

    def _alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            remedy = _("define it above with “&”; or, when the value itself begins with “*”, put it in quotes")
            raise self._refuse(event, _("refers with “*” to something that isn't defined above"), remedy)
        if depth + node.height - 1 > MAX_DEPTH:
            raise _too_deep(self._file, _line(event))
        self._count(node.size, event)
        return node

    def _count(self, more: int, event: yaml.Event) -> int:
        before = self._nodes
        self._nodes += more
        if self._nodes > MAX_NODES:
            message = _("the file expands to more than %(count)s values") % {"count": MAX_NODES}
            raise self._refuse(event, message, _("use fewer or smaller aliases (“*”), or several files"))
        return before

    def _refuse(self, event: yaml.Event, message: str, remedy: str) -> BadFile:
        return BadFile([problem(At(self._file, _line(event)), message, remedy)])


def _too_deep(file: str, line: int) -> BadFile:
    remedy = _("at most %(depth)s levels") % {"depth": MAX_DEPTH}
    return BadFile([problem(At(file, line), _("is nested too deep"), remedy)])


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1


def _follows(text: str, index: int) -> bool:
    """Whether a doubtful comment stands behind a value that ends at `index`."""
    return _COMMENT.match(text, index) is not None
