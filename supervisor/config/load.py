"""Reads accounts.yml: all that is right comes back resolved, all that is wrong is told at once. Shell (reads files)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.common.paths import PathRefused
from xyfleet.supervisor.common.private_folders import refuse_shared
from xyfleet.supervisor.config import accounts, cross_checks, messaging, ready_files, secrets
from xyfleet.supervisor.config.fleet import build_fleet, build_refresh
from xyfleet.supervisor.config.log_budget import least_log_total
from xyfleet.supervisor.config.machine_limits import total_memory
from xyfleet.supervisor.config.reading import includes, section_readers, source, yaml_tree
from xyfleet.supervisor.config.reading.context import Context, subsection, value
from xyfleet.supervisor.config.reading.file_schema import RawFile, RawIncluded
from xyfleet.supervisor.config.reading.problems import BAD, At, Bad, BadFile, Item, Problem, Section, problem
from xyfleet.supervisor.credentials.known_names import ran_before
from xyfleet.supervisor.settings import SIMULATOR, Settings

VERSION: Final = 1
"""The newest `version` of the file form that this program knows."""


def load(path: Path, env: Mapping[str, str], *, memory: int | None = None) -> Settings:
    """
    Return the settings of a file and of those it includes.

    Args:
        env: where `${NAME}`, HOME, XDG_STATE_HOME and PATH are looked up.
        memory: bytes this machine has, for the default of `refresh.max_concurrent`; None = look.

    Raises:
        BadFile: with every problem found.
    """
    return load_with_warnings(path, env, memory=memory)[0]


def load_with_warnings(
    path: Path, env: Mapping[str, str], *, memory: int | None = None, before: Settings | None = None
) -> tuple[Settings, list[Problem]]:
    """
    Return the settings, and what is allowed but probably not meant. Raises `BadFile` like `load`.

    Args:
        before: What a running fleet has; names and folders that only a start refuses are warned about then.
    """
    context = Context(
        env=env,
        total_memory=total_memory() if memory is None else memory,
        running=before is not None,
        fitted=frozenset() if before is None else before.included,
    )
    top = At(str(path))
    section, size = _read(top, RawFile, context)
    _check_version(section, top)
    listed = _listed(section) + _included(section, top, size, context)
    settings = _resolve(section, listed, top, context)
    if settings.fleet.endpoint != SIMULATOR:
        _warn_if_exposed(context)
    if context.problems:
        raise BadFile(context.problems.all())
    return settings, context.problems.warnings()


def _read(at: At, form: type, context: Context) -> tuple[Section, int]:
    """Return what stands in one file, and its size in bytes."""
    text, size, shared = source.read(Path(at.file), at)
    root = yaml_tree.compose(text, at.file)
    if root is None:
        raise BadFile([problem(at, _("is empty"), _("accounts.example.yml is a file to begin with"))])
    section = section_readers.root(form).read(root, at, context.problems)
    if isinstance(section, Bad):
        raise BadFile(context.problems.all())
    inside = [subsection(section, "defaults"), *(item.value for item in _listed(section) if item.value is not BAD)]
    if shared and any(secrets.is_inline(one) for one in inside):
        context.exposed.append(at)
    return section, size


def _listed(section: Section) -> list[Item]:
    """Return the entries of `accounts:`."""
    return list(value(section, "accounts") or ())


def _check_version(section: Section, top: At) -> None:
    """Refuse a newer form at once: its other problems would mislead."""
    version = section.get("version")
    if version and version.value is not BAD and version.value > VERSION:
        message = _("this program knows version %(known)s of the file only") % {"known": VERSION}
        raise BadFile([problem(version.at, message, _("update xyfleet, or write version: 1"))])


def _included(section: Section, top: At, size: int, context: Context) -> list[Item]:
    """Return the accounts of the included files; a bad file's problems are noted."""
    listed: list[Item] = []
    for at in includes.find(section, top, context):
        try:
            found, more = _read(at, RawIncluded, context)
        except BadFile as error:
            context.problems.extend(error.problems)
            continue
        listed += _listed(found)
        size += more
        if size > source.MAX_BYTES:
            message = _("the files together are larger than %(limit)s bytes") % {"limit": source.MAX_BYTES}
            context.problems.add(section["include"].at, message, _("are these the right files?"))
            break
    return listed


def _resolve(section: Section, listed: list[Item], top: At, context: Context) -> Settings:
    fleet = build_fleet(subsection(section, "fleet"), top, context)
    hook = subsection(section, "refresh")
    refresh = build_refresh(hook, context)
    defaults = accounts.layer(subsection(section, "defaults"), context)
    entries = [
        accounts.build(item, defaults, context, hook="command" in hook) for item in listed if item.value is not BAD
    ]
    if not listed and not _lost(section, context):
        context.problems.add(top, _("there is no account in it"), _("add accounts: with “- name: …” below it"))
    cross_checks.check_names(entries, context.problems)
    cross_checks.check_reserved(
        entries, lambda name: context.running or ran_before(fleet.state_dir, name), context.problems
    )
    cross_checks.check_users(entries, context.problems)
    cross_checks.check_proofs(entries, fleet.endpoint, context.problems)
    cross_checks.check_simulator(entries, fleet.endpoint, context.problems)
    folder = Path(top.file).absolute().parent
    messaging.doubt([defaults, *(entry.own for entry in entries)], folder, context)
    settings = Settings(
        path=Path(top.file).absolute(),
        fleet=fleet,
        refresh=refresh,
        accounts=ready_files.attach((entry.account for entry in entries), folder, fleet.timezone, context),
        included=frozenset(context.included),
    )
    _check_log_room(settings, subsection(section, "fleet"), top, context)
    _check_folders(settings, subsection(section, "fleet"), top, context)
    return settings


def _lost(section: Section, context: Context) -> bool:
    """Whether accounts may be missing only because what holds them could not be read."""
    unread = "accounts" in section and section["accounts"].value is BAD
    return unread or ("include" in section and bool(context.problems))


def _check_log_room(settings: Settings, fleet: Section, top: At, context: Context) -> None:
    """Note a `log.total` that leaves next to nothing for each account."""
    least = least_log_total(settings)
    if settings.fleet.log.total < least:
        item = subsection(fleet, "log").get("total")
        message = _("is too little for the logs of %(count)s accounts") % {"count": len(settings.accounts)}
        remedy = _("use %(least)s or more, or fewer log.backups") % {"least": least}
        context.problems.add(item.at if item else top._replace(key="fleet.log.total"), message, remedy)


def _check_folders(settings: Settings, fleet: Section, top: At, context: Context) -> None:
    """Note folders that others have a hand in; who owns them is asked at the start, by the user who starts."""
    state, log = fleet.get("state_dir"), subsection(fleet, "log").get("dir")
    folders = (("state_dir", state, settings.fleet.state_dir), ("log.dir", log, settings.fleet.log.dir))
    note = context.problems.warn if context.running else context.problems.add
    said: set[str] = set()  # one folder may lie in the other
    for key, item, folder in folders:
        try:
            if folder is not None:
                refuse_shared(folder)
        except PathRefused as refusal:
            if str(refusal) not in said:
                note(item.at if item else top._replace(key=f"fleet.{key}"), str(refusal))
            said.add(str(refusal))


def _warn_if_exposed(context: Context) -> None:
    """Warn about secrets that others can read: each settings file, and all files of secrets in one sentence."""
    named = [at for at in context.exposed if at.key]
    for at in context.exposed:
        if not at.key:
            message = _("holds secrets and can be read by other users of this machine")
            context.problems.warn(at, message, _("run: chmod 600 %(file)s") % {"file": at.file})
    if named:
        message = _("the files of %(count)s secrets, this one first, can be read by other users of this machine")
        context.problems.warn(named[0], message % {"count": len(named)}, _("set their mode to 600 (chmod 600)"))
