"""Finds the files that `include` names. Shell (lists folders)."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.reading.context import Context, value
from xyfleet.supervisor.config.reading.problems import BAD, At, Item, Section

MAX_FILES: Final = 10_000


def find(section: Section, top: At, context: Context) -> list[At]:
    """
    Return the included files, each once and never the main file itself, by pattern and then by name.

    A path without a match is a problem, a pattern without one is a warning; but a problem too if files fitted it at the
    reading before: a folder that is not mounted just now must not end its accounts.
    """
    seen = {os.path.realpath(top.file)}
    files: list[At] = []
    for item in value(section, "include") or ():
        for path in [] if item.value is BAD else _matches(item, top, context):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                files.append(At(path))
    if len(files) > MAX_FILES:
        words = {"count": len(files), "limit": MAX_FILES}
        message = _("names %(count)s files; at most %(limit)s are read") % words
        context.problems.add(section["include"].at, message, _("put several accounts into one file"))
    return files[:MAX_FILES]


def _matches(item: Item, top: At, context: Context) -> list[str]:
    home_or_absolute = item.value.startswith(("~", "/"))
    folder = Path(top.file).parent
    path = str(context.path(item) if home_or_absolute else folder / item.value)
    if os.path.exists(path):
        return [path]
    if not glob.has_magic(item.value):
        context.problems.add(item.at, _("no such file"), _("correct the path, or remove it"))
        return []
    found = sorted(glob.glob(path if home_or_absolute else str(Path(glob.escape(str(folder))) / item.value)))
    if found:
        context.included.add(item.value)
    elif item.value in context.fitted:
        message = _("no file fits this pattern any more, and some did before")
        context.problems.add(
            item.at, message, _("bring the files back, or remove the pattern if their accounts are to end")
        )
    else:
        context.problems.warn(item.at, _("no file fits this pattern"), _("correct the pattern, or remove it"))
    return found
