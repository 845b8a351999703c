"""Packs what workers write to close together, so that each makes few pages of shared memory its own. Shell (memory).

A worker shares the forkserver's memory until it writes to it, a page of 4 KiB at a time, and Python writes to whatever
it uses: it counts references inside of objects, and notes inside of code how that is best run. What workers use lies
scattered between what they don't, so they would make most of it their own. Measurements: docs/decisions.md, 5.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import sys
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

_POOL: Final = 16 * 1024
"""Python hands out blocks of up to 512 bytes from pools of this size, each pool with blocks of one size."""
_POOL_HEAD: Final = 48
_SMALL: Final = range(16, 513, 16)
_LARGE: Final = (65000, 32000, 16000, 8000, 4000, 3000, 2500, 2000, 1700, 1500, 1300, 1200, 1100, *range(1032, 23, -16))
"""The system's allocator: sizes of which big holes are left, and then each size of which it keeps a list of its own."""
_BYTES_HEAD: Final = sys.getsizeof(b"")
_IN_A_ROW: Final = 8
"""So many blocks one right behind the other mean that there is no hole of their size left."""
_MOST: Final = 1024 * 1024
"""Bytes in blocks of one size at most: another allocator, Python's for debugging say, may not show that it is full."""
_MOST_LARGE: Final = 256 * 1024
"""The same of the system's allocator, of which there are more sizes."""
_malloc: Final = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)(("PyMem_RawMalloc", ctypes.pythonapi))
_fillings: Final[list[list[object]]] = []


def watch(run: Callable[[], object]) -> list[CodeType]:
    """Run something and return the code that it ran through, in the order of the first calls."""
    seen: dict[CodeType, None] = {}

    def note(frame: FrameType, _event: str, _arg: Any) -> None:
        seen.setdefault(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return list(seen)


def move(codes: list[CodeType]) -> int:
    """Give all functions with one of these codes a copy of it, the copies side by side; return how many functions."""
    places = {code: number for number, code in enumerate(codes)}
    found = [each for each in gc.get_objects() if type(each) is FunctionType and each.__code__ in places]
    found.sort(key=lambda function: places[function.__code__])

    @functools.cache
    def copy(code: CodeType) -> CodeType:
        inner = (copy(each) if isinstance(each, CodeType) and each in places else each for each in code.co_consts)
        return code.replace(co_consts=tuple(inner))

    for function in found:
        function.__code__ = copy(function.__code__)
    return len(found)


def fill_holes() -> int:
    """
    Take all free memory between what is in use, for good: what a worker needs then comes from untouched pages.

    Returns:
        The bytes taken, a few MiB.
    """
    return sum(_fill_pools(size) for size in _SMALL) + sum(_fill_heap(size) for size in _LARGE)


def _fill_pools(size: int) -> int:
    blocks: list[object] = []
    fits = (_POOL - _POOL_HEAD) // size
    pool = alone = 0
    while alone < fits and len(blocks) * size < _MOST:
        blocks.append(_block(size))
        last, pool = pool, id(blocks[-1]) // _POOL
        alone = alone + 1 if pool == last else 1
    del blocks[-alone:]  # all of a pool that had been empty
    _fillings.append(blocks)
    return len(blocks) * size


def _fill_heap(size: int) -> int:
    """Take holes of the allocator below Python's, which libraries in C use too. What is taken is never given back."""
    taken = row = last = 0
    while row < _IN_A_ROW and taken < _MOST_LARGE:
        place = _malloc(size) or 0
        row = row + 1 if 0 < place - last < size + 32 else 0
        last = place
        taken += size
    return taken


def _block(size: int) -> object:
    """Return an object that takes a block of this size."""
    if size < _BYTES_HEAD:
        return object() if size == _SMALL[0] else complex(size)
    return bytes(size - _BYTES_HEAD)


def forget_lookups() -> None:
    """Empty the cache of attributes: what it holds by now is not what workers look up."""
    clear: Callable[[], None] | None = getattr(sys, "_clear_internal_caches", None)
    if clear is None:
        clear = getattr(sys, "_clear_type_cache", None)
    if clear is not None:
        clear()
