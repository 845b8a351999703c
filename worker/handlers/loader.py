"""Imports the function that a handler is, anew each time, and refuses what can't be one. Shell."""

from __future__ import annotations

import importlib
import inspect
import itertools
import operator
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from xyfleet.worker.reasons import Reason, words

Function = Callable[..., Coroutine[Any, Any, object]]
"""`async def answer(message, account)`."""


class Unusable(Exception):
    """The name leads to nothing that can be called as a handler; the reason says why."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


def load(spec: str, folder: str, failed: Callable[[BaseException], None] = lambda error: None) -> Function:
    """
    Return the function that `package.module:function` names.

    After a failure the owner's modules are forgotten, so that the next attempt sees what was mended.

    Args:
        folder: First on `sys.path` from now on; "" = none.
        failed: Called with the error before the modules are forgotten. From Python 3.12 on, whoever formats an
            ImportError imports the module again that it names, to suggest a name; so that has to be done here.

    Raises:
        Unusable: there is no such function, or it is none to call.
        BaseException: whatever the import raises, SystemExit too.
    """
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    known = len(sys.modules)
    name, _, attribute = spec.partition(":")
    ours = name not in sys.modules
    try:
        return _usable(_attribute(_module(name, folder), attribute), attribute)
    except BaseException as error:
        failed(error)
        _forget(name if ours else "", folder, known)
        raise


def is_own(folder: str, file: str | None) -> bool:
    """Tell whether a file is the owner's: in the folder, but not in a virtual environment that may lie there."""
    return bool(folder) and file is not None and file.startswith(folder + os.sep) and "site-packages" not in file


def late(known: int) -> list[str]:
    """Return the names of the modules that came after so many others."""
    # New modules stand last. Looking at all of them would make a private copy of memory that all workers share.
    return list(itertools.islice(reversed(sys.modules), max(0, len(sys.modules) - known)))


def _module(name: str, folder: str) -> object:
    """Import a module; say so when another one of that name was there before, though the owner's file lies there."""
    module = importlib.import_module(name)
    file = getattr(module, "__file__", None)
    mine = os.path.join(folder, f"{name.partition('.')[0]}.py")
    if folder and "." not in name and file != mine and os.path.exists(mine):
        taken = Reason("handler_name_taken", {"path": mine, "other": file}) if file else None
        raise Unusable(taken or Reason("handler_name_pythons", {"path": mine}))
    return module


def _attribute(module: object, attribute: str) -> object:
    if not attribute:
        raise Unusable(Reason("handler_unnamed"))
    try:
        return operator.attrgetter(attribute)(module)
    except AttributeError as error:
        raise Unusable(words(str(error))) from None


def _usable(found: Any, name: str) -> Function:
    if not callable(found):
        raise Unusable(Reason("handler_no_function", {"name": name, "words": type(found).__name__}))
    called = found if inspect.isroutine(found) else getattr(found, "__call__", found)  # noqa: B004 (its function)
    if not inspect.iscoroutinefunction(found) and not inspect.iscoroutinefunction(called):
        raise Unusable(Reason("handler_not_async", {"name": name}))
    if not _takes_two(found):
        try:
            inspect.signature(found).bind(None, None)
        except TypeError as error:
            raise Unusable(Reason("handler_signature", {"name": name, "words": str(error)})) from None
    function: Function = found
    return function


def _takes_two(found: Any) -> bool:
    """Tell whether it is a plain function of two arguments; `inspect.signature` costs each worker 0.2 MiB."""
    code = found.__code__ if inspect.isfunction(found) and not hasattr(found, "__wrapped__") else None
    return code is not None and (code.co_argcount, code.co_kwonlyargcount) == (2, 0)


def _forget(name: str, folder: str, known: int) -> None:
    """Forget the module, unless it was there before, and what else of the folder came after `known` modules."""
    for module in late(known):
        if is_own(folder, getattr(sys.modules[module], "__file__", None)):
            del sys.modules[module]
    sys.modules.pop(name, None)  # which may lie elsewhere
    importlib.invalidate_caches()
