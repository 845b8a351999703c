"""Resolves the fleet's own settings and the refresh hook's. Shell (looks at files that the settings name)."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zoneinfo
from pathlib import Path
from typing import Any, Final

import msgspec

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.common.paths import OLD_ACCOUNTS, fleet_file, unit_dir
from xyfleet.supervisor.config import addresses, cross_checks
from xyfleet.supervisor.config.reading import source, suggestions
from xyfleet.supervisor.config.reading.context import Context, good, subsection, value
from xyfleet.supervisor.config.reading.problems import BAD, At, Bad, BadFile, Item, Section
from xyfleet.supervisor.settings import (
    DEFAULT_TOKEN_URL,
    SIMULATOR,
    Fleet,
    FleetRate,
    Http,
    Log,
    Refresh,
    Restart,
    Simulator,
    Tls,
)
from xyfleet.worker.settings import DEFAULT_ENDPOINT

NO_DIR: Final = "none"
SMALL_MACHINE: Final = 4 * 1024**3
"""Bytes of memory below which one hook (a browser, mostly) runs at a time."""
_RECORDS: Final = frozenset(("fleets", "owners"))
"""What lies beside the fleets' state folders in the state home."""
_NAME: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")


def build_fleet(section: Section, top: At, context: Context) -> Fleet:
    """Return the fleet's settings; problems are noted."""
    name = _name(section, top, context)
    state_dir = _state_dir(section, name, top, context)
    endpoint = _endpoint(section, context)
    plain = ("language", "connect_rate", "token_rate", "catch_up_rate", "hang_timeout")
    given = {key: value(section, key) for key in plain}
    fleet = Fleet(
        name=name,
        state_dir=state_dir,
        endpoint=endpoint,
        token_url=_token_url(section, endpoint, context),
        http=_http(section, context),
        timezone=_timezone(section, context),
        simulator=_simulator(section, endpoint, context),
        ca_file=_file(section, "ca_file", context),
        fleet_rate=msgspec.convert(_plain(subsection(section, "fleet_rate")), FleetRate),
        restart=msgspec.convert(_plain(subsection(section, "restart")), Restart),
        log=_log(subsection(section, "log"), state_dir, context),
        **{key: found for key, found in given.items() if found is not None},
    )
    _check_name(fleet, section, top, context)
    return fleet


def build_refresh(section: Section, context: Context) -> Refresh:
    """Return the refresh hook's settings; problems are noted, doubts about the program are warnings."""
    plain = _plain(section)
    plain.setdefault("max_concurrent", 1 if context.total_memory < SMALL_MACHINE else 3)
    plain["command"] = _command(section, context)
    return msgspec.convert(plain, Refresh)


def _plain(section: Section) -> dict[str, Any]:
    """Return the section's good scalars."""
    return {key: item.value for key, item in section.items() if isinstance(item.value, str | int | float)}


def _name(section: Section, top: At, context: Context) -> str:
    if "name" in section:
        return value(section, "name") or ""
    stem = Path(top.file).stem
    if _NAME.fullmatch(stem):
        return stem
    name = _made_name(stem, top)
    message = _("the file's name can't be the fleet's name (A-Z a-z 0-9 . _ - only), so it is called %(name)s")
    context.problems.warn(top._replace(key="fleet.name"), message % {"name": name}, _("set fleet.name to choose one"))
    return name


def _made_name(stem: str, top: At) -> str:
    """Return a name that is this file's alone, and the same at each start: of its path, whatever links lead there."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40] or "fleet"
    return f"{plain}-{hashlib.sha256(os.path.abspath(top.file).encode(errors='surrogateescape')).hexdigest()[:8]}"


def _check_name(fleet: Fleet, section: Section, top: At, context: Context) -> None:
    """Note a name that new fleets may not have; one that runs, or ran, goes on."""
    if fleet.name.lower() in _RECORDS:
        message, remedy = _("is a name of xyfleet's own files"), _("choose another name")
    elif fleet.name.startswith("-"):
        message, remedy = map(_, cross_checks.LIKE_AN_OPTION)
    else:
        return
    at = section["name"].at if "name" in section else top._replace(key="fleet.name")
    if context.running or (fleet.state_dir / "lock").exists():
        context.problems.warn(at, message, _("it goes on as before; choose another name when you can"))
    else:
        context.problems.add(at, message, remedy)


def _state_dir(section: Section, name: str, top: At, context: Context) -> Path:
    """Return the folder given, else the systemd unit's, else `xyfleet/<name>` under the user's state home (XDG)."""
    item = good(section, "state_dir")
    if item:
        return context.path(item)
    unit = unit_dir(context.env.get("STATE_DIRECTORY", ""), name)
    home = _state_home(section, name, top, context, asked=unit is None)
    # Before the unit's folder was looked at, a unit's fleet had its state in the state home: there it goes on.
    if unit is None or (_holds_state(home) and not _holds_state(unit)):
        return home
    return unit


def _holds_state(folder: Path) -> bool:
    return fleet_file(folder).exists() or (folder / OLD_ACCOUNTS).is_dir()


def _state_home(section: Section, name: str, top: At, context: Context, *, asked: bool) -> Path:
    state_home, home = context.env.get("XDG_STATE_HOME", ""), context.env.get("HOME", "")
    if os.path.isabs(state_home):
        return Path(state_home) / "xyfleet" / name
    if not os.path.isabs(home) and "state_dir" not in section and asked:
        message = _("has no default here: neither XDG_STATE_HOME nor HOME is set")
        context.problems.add(top._replace(key="fleet.state_dir"), message, _("set fleet.state_dir"))
    return Path(home or "/") / ".local/state/xyfleet" / name


def _endpoint(section: Section, context: Context) -> str:
    item = good(section, "endpoint")
    if item is None or item.value == SIMULATOR:
        return SIMULATOR if item else DEFAULT_ENDPOINT
    wrong = addresses.check_server(item.value, "wss", "ws")
    if wrong:
        context.problems.add(item.at, *wrong)
    elif "token_url" not in section and item.value != DEFAULT_ENDPOINT:
        message = _("is not the real gateway, but the token call goes to the real one")
        context.problems.warn(item.at, message, _("set fleet.token_url too"))
    return str(item.value)


def _token_url(section: Section, endpoint: str, context: Context) -> str:
    item = good(section, "token_url")
    if endpoint == SIMULATOR:
        if item:
            context.problems.add(item.at, _("the built-in gateway has its own token call"), _("remove token_url"))
        return SIMULATOR
    if item is None:
        return DEFAULT_TOKEN_URL
    wrong = addresses.check_server(item.value, "https", "http")
    if wrong:
        context.problems.add(item.at, *wrong)
    return str(item.value)


def _simulator(section: Section, endpoint: str, context: Context) -> Simulator | None:
    item = section.get("simulator")
    if endpoint != SIMULATOR:
        if item and not isinstance(section.get("endpoint", item).value, Bad):
            message = _("is for the built-in gateway only")
            context.problems.add(item.at, message, _("set fleet.endpoint: simulator, or remove this"))
        return None
    settings = subsection(section, "simulator")
    return Simulator(
        faults=_file(settings, "faults", context),
        tls=bool(value(settings, "tls")),
        strict=bool(value(settings, "strict")),
    )


def _http(section: Section, context: Context) -> Http | None:
    item = good(section, "http")
    for key in ("tls", "behind_proxy"):
        if key in section and "http" not in section:
            context.problems.add(section[key].at, _("is for fleet.http only"), _("set fleet.http, or remove this"))
    if item is None:
        return None
    address = addresses.parse_listen(item.value)
    if isinstance(address, addresses.Wrong):
        context.problems.add(item.at, *address)
        return None
    files = subsection(section, "tls")
    cert, key_file = _file(files, "cert", context), _file(files, "key", context)
    behind_proxy = value(section, "behind_proxy") is True
    if not addresses.is_loopback(address[0]) and "tls" not in section and not behind_proxy:
        message = _("would be reachable from other machines without encryption")
        remedy = _("write 127.0.0.1:%(port)s, or add tls: {cert: …, key: …} or behind_proxy: true beside it")
        context.problems.add(item.at, message, remedy % {"port": address[1]})
    tls = Tls(cert=cert, key=key_file) if cert and key_file else None
    return Http(host=address[0], port=address[1], tls=tls, behind_proxy=behind_proxy)


def _timezone(section: Section, context: Context) -> str | None:
    item = good(section, "timezone")
    if item is None:
        return None
    try:
        return zoneinfo.ZoneInfo(item.value).key
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        near = suggestions.nearest(item.value, zoneinfo.available_timezones()) or "Asia/Shanghai"
        context.problems.add(item.at, _("is not a time zone"), _("write a name such as %(zone)s") % {"zone": near})
        return None


def _log(section: Section, state_dir: Path, context: Context) -> Log:
    item = good(section, "dir")
    folder = context.path(item) if item else state_dir / "logs"
    log = msgspec.convert({**_plain(section), "dir": None}, Log)
    return log if item and item.value == NO_DIR else msgspec.structs.replace(log, dir=folder)


def _file(section: Section, key: str, context: Context) -> Path | None:
    """Return the path of a file that must be there to be read."""
    item = good(section, key)
    if item is None:
        return None
    path = context.path(item)
    try:
        source.read(path, item.at)
    except BadFile as error:
        context.problems.extend(error.problems)
        return None
    return path


def _command(section: Section, context: Context) -> tuple[str, ...] | None:
    item = good(section, "command")
    if item is None or any(word.value is BAD for word in item.value):
        return None
    program, *arguments = item.value
    path = _program(program, context)
    _doubt(path, program.at, context)
    return (str(path), *(_argument(word, context) for word in arguments))


def _program(word: Item, context: Context) -> Path:
    """Return the program's path: against the file's folder; a bare name that is not there is looked for in PATH."""
    path = context.path(word)
    if "/" in word.value or path.exists():
        return path
    found = shutil.which(word.value, path=context.env.get("PATH", os.defpath))
    return Path(found).absolute() if found else path


def _argument(word: Item, context: Context) -> str:
    """Return an argument; `./…` and `../…` are paths against the file's folder."""
    return str(context.path(word) if word.value.startswith(("./", "../")) else word.value)


def _doubt(program: Path, at: At, context: Context) -> None:
    """Warn about a program that can't be started now; it may be put there later."""
    where = {"path": str(program)}
    if not program.is_file():
        context.problems.warn(at, _("%(path)s is not there") % where, _("put the hook there, or correct the path"))
        return
    if not os.access(program, os.X_OK):
        context.problems.warn(at, _("%(path)s is not executable") % where, _("run: chmod +x %(path)s") % where)
    try:
        with open(program, "rb") as file:
            first = file.readline(256)
    except OSError:
        return  # a program may be executable without being readable
    if not first.startswith((b"#!", b"\x7fELF")):
        message = _("%(path)s does not say what runs it") % where
        context.problems.warn(at, message, _("begin it with a line such as #!/usr/bin/env python3"))
    elif first.startswith(b"#!") and first.endswith(b"\r\n"):
        message = _("the first line of %(path)s ends with a Windows line break") % where
        context.problems.warn(at, message, _("run: sed -i 's/\\r$//' %(path)s") % where)
