"""The JSON schema of accounts.yml for editors, made from the types that check the file. Shell (`main` writes it).

`python -m scripts.lib.accounts_schema [FILE]` writes it (docs/accounts.schema.json).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from xyfleet.supervisor import settings
from xyfleet.supervisor.config.load import VERSION
from xyfleet.supervisor.config.reading import account_schema, file_schema, fleet_schema
from xyfleet.worker.settings import Backoff, Cycle, Retry

FILE: Final = "docs/accounts.schema.json"
_RESOLVED: Final[dict[type, tuple[type[msgspec.Struct], ...]]] = {
    fleet_schema.RawFleet: (settings.Fleet,),
    fleet_schema.RawSimulator: (settings.Simulator,),
    fleet_schema.RawFleetRate: (settings.FleetRate,),
    fleet_schema.RawRestart: (settings.Restart,),
    fleet_schema.RawLog: (settings.Log,),
    file_schema.RawRefresh: (settings.Refresh,),
    account_schema.RawRetry: (Retry,),
    account_schema.RawBackoff: (Backoff,),
    account_schema.RawDefaults: (Cycle, settings.Account, settings.Mail),
    account_schema.RawAccount: (Cycle, settings.Account, settings.Mail),
}
"""Each part of the form and the types whose defaults it has."""
_DEPENDS: Final = frozenset(("max_concurrent", "name", "label"))
"""Defaults that depend on the machine or the file, or say nothing."""


def schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12): the file as people write it, so sizes and texts in all their spellings."""
    found = msgspec.json.schema(file_schema.RawFile)
    parts = {cls.__name__: cls for cls in _RESOLVED}
    for name, part in found["$defs"].items():
        part["additionalProperties"] = False
        part["title"] = name.removeprefix("Raw").lower()
        for key, default in _defaults(parts[name]).items() if name in parts else ():
            if key in part["properties"]:
                part["properties"][key]["default"] = default
    root = found["$defs"][file_schema.RawFile.__name__]
    root["properties"]["version"]["default"] = root["properties"]["version"]["maximum"] = VERSION
    root["patternProperties"] = {
        f"^{file_schema.TEMPLATE_PREFIX}": {"description": "Not read; a place for YAML anchors."}
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "xyfleet accounts.yml", **found}


def _defaults(cls: type) -> dict[str, Any]:
    """Return the plain built-in defaults of a part of the form."""
    found = {}
    for resolved in _RESOLVED[cls]:
        for field in msgspec.structs.fields(resolved):
            if isinstance(field.default, str | int | float) and field.name not in _DEPENDS:
                found[field.name] = _short(field.default)
    return found


def _short(value: str | float) -> str | float:
    """Return 15 for 15.0, as people write it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def render() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the schema to the file named on the command line, else to its place in the repository."""
    Path(*(sys.argv[1:2] or [FILE])).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
