"""The functions of one account that are asked in turn, loaded, and loaded anew when their files changed. Shell.

What runs in the old code goes on in it: it holds its own modules. What can't be loaded leaves the old one in its place.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Final

from xyfleet.worker.handlers.loader import Function, Unusable, is_own, late, load
from xyfleet.worker.ready_rules import ReadyRules
from xyfleet.worker.reasons import Reason

_READY: Final = ("deliver", "keywords")
"""Handlers that come with xyfleet: the modules of `xyfleet.handler` with a `make()`."""
Failed = Callable[[BaseException], None]


class OwnCode:
    """
    Use in one thread.

    Args:
        handler: The functions, `package.module:function` or the name of a ready handler, with commas in between.
        folder: The accounts file's: modules below it are the owner's own, and are loaded anew.
        packages: Where what they need was installed, "" = nowhere. Last on the path: it replaces nothing of ours.
    """

    def __init__(self, handler: str, folder: str, packages: str = "") -> None:
        self._specs = handler.split(",")
        self._folder = folder
        self._packages = packages
        self._modules: dict[str, ModuleType] = {}
        self._known = 0
        """Modules that there were before those."""
        self._files: dict[str, tuple[int, int] | None] = {}

    @property
    def has_files(self) -> bool:
        """Whether anything of the owner's was loaded."""
        return bool(self._files)

    def load(self, ready: ReadyRules | None, failed: Failed) -> Sequence[Function]:
        """
        Return the functions, from the files as they are now.

        Args:
            failed: Called with the error before anything is forgotten (`loader.load`).

        Raises:
            BaseException: as `loader.load`; all is as it was before then.
        """
        self._hear_of_later()
        for file in self._stale():
            _drop_bytecode(file)
        for name in self._modules:
            sys.modules.pop(name, None)
        if self._packages and self._packages not in sys.path and os.path.isdir(self._packages):
            sys.path.append(self._packages)
        importlib.invalidate_caches()
        known, began = len(sys.modules), time.time_ns()
        try:
            functions = [self._function(spec, ready, failed) for spec in self._specs]
        except BaseException:
            for name in self._own_since(known):
                del sys.modules[name]
            sys.modules.update(self._modules)
            raise
        self._known, self._modules = known, self._own_since(known)
        # What was written while it was read may be half read: it counts as changed.
        self._files = {file: _state(file, began) for file in self._own_files()}
        return functions

    def changed(self) -> str | None:
        """Return the name of a file that is not as it was when it was loaded; None = all are."""
        self._hear_of_later()
        return next((os.path.relpath(file, self._folder) for file in self._stale()), None)

    def _function(self, spec: str, ready: ReadyRules | None, failed: Failed) -> Function:
        if spec not in _READY:
            return load(spec, self._folder, failed)
        try:
            if ready is None:
                raise Unusable(Reason("handler_without_rules", {"name": spec}))
            function: Function = importlib.import_module(f"xyfleet.handler.{spec}").make(ready)
        except BaseException as error:
            failed(error)
            raise
        return function

    def _hear_of_later(self) -> None:
        """Note what a call has imported: a change of that is one too."""
        if not self._modules:
            return
        for name, module in self._own_since(self._known).items():
            if name not in self._modules and (file := _file(module)) is not None:
                self._modules[name] = module
                self._files[file] = _state(file)

    def _own_since(self, known: int) -> dict[str, ModuleType]:
        names = late(known)
        return {name: sys.modules[name] for name in names if is_own(self._folder, _file(sys.modules[name]))}

    def _own_files(self) -> list[str]:
        return [file for module in self._modules.values() if (file := _file(module)) is not None]

    def _stale(self) -> list[str]:
        return [file for file, state in self._files.items() if state is None or state != _state(file)]


def _file(module: ModuleType) -> str | None:
    return getattr(module, "__file__", None)


def _state(file: str, began: int | None = None) -> tuple[int, int] | None:
    """Return what tells a file's content from another; None where it changed after `began`, or is gone."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return None if began is not None and found.st_mtime_ns >= began else (found.st_mtime_ns, found.st_size)


def _drop_bytecode(file: str) -> None:
    """Forget what Python compiled: it tells an edit only by the second and the size."""
    with contextlib.suppress(OSError, NotImplementedError):
        os.unlink(importlib.util.cache_from_source(file))
