"""Readers of lists and sections, down to the whole file, made from the types of `file_schema`. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping as Dict
from typing import Any, Final

from msgspec import inspect

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.reading import account_schema, file_schema, ready_schema, suggestions
from xyfleet.supervisor.config.reading.problems import BAD, At, Bad, Item, Problems, Section
from xyfleet.supervisor.config.reading.reader import FOUND, Reader, mismatch
from xyfleet.supervisor.config.reading.scalar_readers import (
    BoolReader,
    ChoiceReader,
    NumberReader,
    SizeReader,
    TextReader,
)
from xyfleet.supervisor.config.reading.yaml_tree import Mapping, Node, Scalar, Sequence

MERGE: Final = "<<"
_TELLTALE: Final = frozenset(("secret", "secret_file"))
"""Keys that a secret itself may be like (`secret123`)."""


class ListReader:
    """Reads a list."""

    def __init__(self, item: Reader, least: int) -> None:
        self.item = item
        self._least = least

    def read(self, node: Node, at: At, problems: Problems) -> list[Item] | Bad:
        """Return the items, bad ones included as `BAD`."""
        if isinstance(node, Scalar) and node.empty:
            node = Sequence(node.line)
        if not isinstance(node, Sequence):
            return mismatch(node, at, problems, _("a list"), _("write [a, b], or lines that begin with “- ”"))
        if len(node.items) < self._least:
            return problems.add(at, _("is empty"), _("write a value, or remove the line"))
        found = []
        for number, child in enumerate(node.items, 1):
            place = At(at.file, child.line, at.account, f"{at.key}[{number}]")
            found.append(Item(self.item.read(child, place, problems), place))
        return found


class OneOrListReader:
    """Reads a scalar, or a list of such."""

    def __init__(self, one: Reader, many: ListReader) -> None:
        self._one = one
        self._many = many

    def read(self, node: Node, at: At, problems: Problems) -> Any:
        """Return the value, or the items, bad ones included as `BAD`."""
        return (self._many if isinstance(node, Sequence) else self._one).read(node, at, problems)


class SectionReader:
    """Reads a mapping with known keys."""

    def __init__(self, kind: inspect.TypedDictType) -> None:
        self.cls = kind.cls
        self.fields: dict[str, Reader] = {field.name: reader_for(field.type) for field in kind.fields}
        self._required = [field.name for field in kind.fields if field.required]

    def read(self, node: Node, at: At, problems: Problems) -> Section | Bad:
        """Return what is there, by key."""
        if isinstance(node, Scalar) and node.empty:
            node = Mapping(node.line)
        if not isinstance(node, Mapping):
            return mismatch(node, at, problems, _("settings (key: value)"), _("write “key: value”, one a line"))
        entries = _entries(node, at, problems)
        if self.cls is account_schema.RawAccount:
            at = _named(at, entries, self.fields["name"])
        section = {}
        for key, (line, value) in entries.items():
            reader = self.fields.get(key)
            if reader is None:
                self._unknown(key, at._replace(line=line), problems)
            else:
                place = at.child(key, line)
                section[key] = Item(reader.read(value, place, problems), place)
        for key in self._required:
            if key not in section:
                problems.add(at.child(key, at.line or node.line), _("is missing"), _("add it"))
        return section

    def _unknown(self, key: str, at: At, problems: Problems) -> None:
        if self.cls is file_schema.RawFile and key.startswith(file_schema.TEMPLATE_PREFIX):
            return
        if problems.full:
            remedy = ""
        elif self.cls is file_schema.RawIncluded:
            remedy = _("a file named by include holds accounts: only")
        else:
            remedy = suggestions.remedy(key, self.fields, places() if self._is_of_accounts_file else {})
        place = _shown(at, key) if self._is_of_accounts_file or at.line is None else at.child(key, at.line)
        problems.add(place, _("unknown key"), remedy)

    @property
    def _is_of_accounts_file(self) -> bool:
        return self.cls.__module__ != ready_schema.__name__


class SwitchReader:
    """Reads a mapping with known keys, or the word that switches it off."""

    def __init__(self, section: SectionReader, word: str, hint: str) -> None:
        self.section = section
        self._word = word
        self._hint = hint

    def read(self, node: Node, at: At, problems: Problems) -> Section | str | Bad:
        """Return what is there, by key, or the word."""
        if not isinstance(node, Scalar) or node.empty:
            return self.section.read(node, at, problems)
        if node.text == self._word:
            return self._word
        words = {"expected": _("settings (key: value)"), "found": _(FOUND[Scalar])}
        return problems.add(at, _("expected %(expected)s, found %(found)s") % words, _(self._hint))


def _entries(node: Mapping, at: At, problems: Problems) -> dict[str, tuple[int, Node]]:
    """Return key to (line, value), what `<<` brings in included; the mapping's own keys win."""
    own: dict[str, tuple[int, Node]] = {}
    merged: dict[str, tuple[int, Node]] = {}
    for key, value in node.pairs:
        if not isinstance(key, Scalar):
            problems.add(at._replace(line=key.line), _("a key must be plain text"), _("write “key: value”"))
        elif key.plain and key.text == MERGE:
            for source in value.items if isinstance(value, Sequence) else [value]:
                if isinstance(source, Mapping):
                    for name, entry in _entries(source, at, problems).items():
                        merged.setdefault(name, entry)
                else:
                    problems.add(at._replace(line=key.line), _("“<<” takes settings only"), _("write <<: *name"))
        elif key.text in own:
            first = {"line": own[key.text][0]}
            place = _shown(at._replace(line=key.line), key.text)
            problems.add(place, _("is given twice, first in line %(line)s") % first, _("remove one of the two"))
        else:
            own[key.text] = (key.line, value)
    return {**merged, **own}


def _shown(at: At, key: str) -> At:
    """Return the place with the key in it, if it is like a known one: any other may be a secret before a colon."""
    if at.line is None or (key not in places() and suggestions.nearest(key, places().keys() - _TELLTALE) is None):
        return at
    return at.child(key, at.line)


def _named(at: At, entries: Dict[str, tuple[int, Node]], reader: Reader) -> At:
    """Return the place with the account's name instead of its number in the list."""
    _line, node = entries.get("name", (0, None))
    name = reader.read(node, at, Problems()) if node else BAD
    return at._replace(account=name, key=None) if isinstance(name, str) else at


def reader_for(kind: inspect.Type) -> Reader:
    """Return the reader of a type as `msgspec.inspect` shows it."""
    extra: dict[str, Any] = {}
    schema: dict[str, Any] = {}
    while isinstance(kind, inspect.Metadata):
        extra, schema, kind = {**extra, **(kind.extra or {})}, {**schema, **(kind.extra_json_schema or {})}, kind.type
    if extra.get("kind") in ("text", "secret", "cookie", "label"):
        return TextReader(extra, schema.get("pattern"))
    if extra.get("kind") == "size":
        return SizeReader(schema.get("minimum", 0))
    if isinstance(kind, inspect.BoolType):
        return BoolReader()
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return NumberReader(kind)
    if isinstance(kind, inspect.LiteralType):
        return ChoiceReader(tuple(str(word) for word in kind.values))
    if isinstance(kind, inspect.ListType):
        return ListReader(reader_for(kind.item_type), kind.min_length or 0)
    if isinstance(kind, inspect.UnionType):
        return _switch(kind, extra["hint"]) if "hint" in extra else _one_or_list(kind)
    assert isinstance(kind, inspect.TypedDictType), f"no reader for {kind}"
    return SectionReader(kind)


def _switch(kind: inspect.UnionType, hint: str) -> SwitchReader:
    (section,) = (one for one in kind.types if isinstance(one, inspect.TypedDictType))
    (words,) = (one.values for one in kind.types if isinstance(one, inspect.LiteralType))
    return SwitchReader(SectionReader(section), str(words[0]), hint)


def _one_or_list(kind: inspect.UnionType) -> OneOrListReader:
    readers = [reader_for(one) for one in kind.types]
    (many,) = (one for one in readers if isinstance(one, ListReader))
    (one,) = (one for one in readers if one is not many)
    return OneOrListReader(one, many)


@functools.cache
def root(cls: type) -> SectionReader:
    """Return the reader of a whole file: of `file_schema.RawFile` or `file_schema.RawIncluded`."""
    kind = inspect.type_info(cls)
    assert isinstance(kind, inspect.TypedDictType)
    return SectionReader(kind)


@functools.cache
def places() -> dict[str, list[str]]:
    """Return every key of the file form and the dotted paths where it may stand; items of a list as `[]`."""
    found: dict[str, list[str]] = {}
    _collect(root(file_schema.RawFile), "", found)
    return found


def _collect(reader: Reader, path: str, found: dict[str, list[str]]) -> None:
    if isinstance(reader, ListReader):
        _collect(reader.item, f"{path}[]", found)
    if isinstance(reader, SwitchReader):
        reader = reader.section
    if isinstance(reader, SectionReader):
        for key, inner in reader.fields.items():
            found.setdefault(key, []).append(path)
            _collect(inner, f"{path}.{key}" if path else key, found)
