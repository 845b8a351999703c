"""Makes all objects of the forkserver immortal (PEP 683), so that workers only read them. Shell (memory).

A worker shares the forkserver's memory until it writes to it, and Python writes to whatever it touches: it counts
references at the head of each object. It leaves the count of an immortal object alone. Since nothing ever frees such
an object this is only for a process whose children leave by `os._exit`, and for what exists before the first fork.
Measurements: docs/decisions.md, 5.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import sysconfig
from types import CodeType
from typing import Final

_OLDEST: Final = (3, 13)
"""Python 3.12 has immortal objects, but its collector does not expect that one becomes so: the walk crashed there."""
_VALUES: Final = frozenset({0xFFFF_FFFF, 3 << 30})
"""The low half of the count of an immortal object: on 3.13, and since 3.14."""
_MANY: Final = 1 << 30
"""No mortal object has so many references."""
_BATCH: Final = 1000
_TRIAL_WITHIN: Final = 5.0
"""Seconds that the child may take which tries it first."""


class Refused(Exception):
    """This interpreter's objects were not made immortal; the text says why."""


def possible() -> bool:
    """Return whether this is a Python whose objects can be made immortal: a usual build of 3.13 or later."""
    usual = sys.byteorder == "little" and sys.maxsize > 2**32 and not sysconfig.get_config_var("Py_GIL_DISABLED")
    return usual and sys.implementation.name == "cpython" and sys.version_info >= _OLDEST


def make_immortal() -> int:
    """
    Make everything that is there immortal, after a child has tried it; return how many objects became so.

    Raises:
        Refused: an immortal object does not look as expected, or the child died of it. Nothing was changed.
    """
    value = ctypes.c_uint32.from_address(id(None)).value
    if value not in _VALUES:
        raise Refused(f"this Python marks immortal objects in an unknown way ({value:#x})")
    _try_in_child(value)
    return _mark_all(value)


def _try_in_child(value: int) -> None:
    """Do the whole in a child that may die of it, so that no Python can keep a fleet off the air by it."""
    child = os.fork()
    if not child:
        os._exit(_tried(value))
    with os.fdopen(os.pidfd_open(child)) as end:
        if not select.select([end], [], [], _TRIAL_WITHIN)[0]:
            os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise Refused(f"the child that tried to make objects immortal ended with {code}")


def _tried(value: int) -> int:
    """Return 0 when objects that were made immortal stay so under use and under the collector."""
    try:
        _mark_all(value)
        many = [(Refused, _tried, _mark_all, gc)] * _BATCH
        list(map(list, many))
        del many
        gc.collect()
        return int(any(_count(each) != value for each in (Refused, _tried, _mark_all, gc)))
    except BaseException:  # noqa: BLE001 (whatever it is, the answer is no, and this child must not go on)
        return 1


def _mark_all(value: int) -> int:
    """Mark all that the collector knows, and what is reached from there; return how many."""
    marked = 0
    level = gc.get_objects()
    while level:
        below: list[object] = []
        for first in range(0, len(level), _BATCH):
            batch = level[first : first + _BATCH]
            marked += sum(_mark(each, value) for each in batch)
            codes = [each for each in batch if type(each) is CodeType]
            found = gc.get_referents(*batch) + [part for each in codes for part in _parts(each)]
            below += [each for each in found if sys.getrefcount(each) < _MANY]
        level = below
    return marked


def _parts(code: CodeType) -> tuple[object, ...]:
    """Return what a code object refers to: the collector does not know."""
    return code.co_consts, code.co_names, code.co_filename, code.co_name, code.co_qualname, code.co_linetable


def _mark(thing: object, value: int) -> bool:
    """Make an object immortal; return whether it was mortal."""
    if sys.getrefcount(thing) >= _MANY:
        return False
    ctypes.c_uint32.from_address(id(thing)).value = value
    return True


def _count(thing: object) -> int:
    return ctypes.c_uint32.from_address(id(thing)).value
