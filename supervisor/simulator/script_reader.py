"""Reads a fault script: YAML text in, faults out, or every problem with its line. Pure."""

from __future__ import annotations

from typing import Any, Final

import yaml

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.simulator.faults import BadFault, Fault, parse

_LONGEST: Final = 1 << 20
"""Most characters of a script."""


class BadScript(Exception):
    """A script that can't be used. `problems` are complete lines for people, each naming file and line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def read_script(text: str, name: str, origin: float) -> list[Fault]:
    """
    Return the faults of a script in its order.

    Args:
        text: The script.
        name: The file's name, for messages.
        origin: The moment that `at` counts from, on the monotonic clock.

    Raises:
        BadScript: naming every problem of every entry.
    """
    if len(text) > _LONGEST:
        raise BadScript([f"{name}: " + _("longer than %(most)s characters") % {"most": _LONGEST}])
    loader = yaml.CSafeLoader(text)
    try:
        return _read(loader, name, origin)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise BadScript([f"{where}: " + _("not valid YAML: %(problem)s") % {"problem": problem}]) from None
    finally:
        loader.dispose()


def _read(loader: yaml.CSafeLoader, name: str, origin: float) -> list[Fault]:
    root = loader.get_single_node()
    if root is None:
        return []
    entries = _entries(root)
    if entries is None:
        raise BadScript([f"{name}:{root.start_mark.line + 1}: " + _("must have one key, `faults:`, with a list below")])
    faults: list[Fault] = []
    problems: list[str] = []
    for number, node in enumerate(entries, 1):
        try:
            twice = _twice(node)
            faults.append(parse(loader.construct_object(node, deep=True), origin))
        except BadFault as error:
            twice += error.problems
        where = _("%(file)s:%(line)s: fault %(number)s: ") % {
            "file": name,
            "line": node.start_mark.line + 1,
            "number": number,
        }
        problems += [where + problem for problem in twice]
    if problems:
        raise BadScript(problems)
    return faults


def _entries(root: yaml.Node) -> list[Any] | None:
    """Return the nodes below `faults:`, or None where the file has another shape."""
    if not isinstance(root, yaml.MappingNode) or [key.value for key, _value in root.value] != ["faults"]:
        return None
    value = root.value[0][1]
    if isinstance(value, yaml.ScalarNode) and value.value in ("", "~", "null"):
        return []
    return list(value.value) if isinstance(value, yaml.SequenceNode) else None


def _twice(node: yaml.Node) -> list[str]:
    """YAML keeps the last of two equal keys without a word; we don't."""
    if not isinstance(node, yaml.MappingNode):
        return []
    keys = [key.value for key, _value in node.value if isinstance(key, yaml.ScalarNode)]
    return [_("%(key)s is given twice") % {"key": key} for key in dict.fromkeys(keys) if keys.count(key) > 1]
