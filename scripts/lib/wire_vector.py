"""Makes vectors with made-up values of the shapes that `xyfleet wire-report` writes. Shell.

Each has the value (`decoded`) and, of what a push carries, its bytes as the platform would write them (`base64`).
"""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from xyfleet.supervisor.simulator.old_msgpack import pack

_MARK: Final = re.compile(r"<(text|id|number|url) ?(\d*)(@goofish|\.PNM)?>")
_DIGITS: Final = "5100000000000000001"
_CUT: Final = ("<more>", "<key>")


def made_up(shape: Any) -> Any:
    """Return a value of this shape; what the report left out is left out."""
    if isinstance(shape, dict):
        if set(shape) == {"<json>"}:
            return json.dumps(made_up(shape["<json>"]), ensure_ascii=False, separators=(",", ":"))
        return {_key(key): made_up(each) for key, each in shape.items() if each != "<more>"}
    if isinstance(shape, list):
        return [made_up(each) for each in shape if each != "<more>"]
    if isinstance(shape, str) and (mark := _MARK.fullmatch(shape)):
        return _filled(mark[1], int(mark[2] or 1), mark[3] or "")
    return shape


def _key(key: str) -> Any:
    return int(key) if key.isdigit() else key.replace("<n>", "2200000000001")


def _filled(kind: str, length: int, end: str) -> Any:
    digits = (_DIGITS * (length // len(_DIGITS) + 1))[: length - len(end)]
    if kind == "id":
        return digits + end
    if kind == "number":
        return int(digits)
    return ("https://example.invalid/" if kind == "url" else "字" * length)[: max(length, 1)]


def vectors(report: Any) -> dict[str, Any]:
    """Return a vector for each shape of a report."""
    found = {}
    for one in report["unknown"]:
        if one["shape"] is None:
            continue
        value = made_up(one["shape"])
        vector = {"note": f"shape reported by xyfleet {report['version']}; values made up", "decoded": _texts(value)}
        if one["place"] in ("objectType", "contentType", "key", "payload"):
            vector["base64"] = base64.b64encode(pack(value)).decode()
        found[f"{one['place']}_{one['name']}"] = vector
    return found


def _texts(value: Any) -> Any:
    """Return a value with the keys of its maps as texts, as the vectors write them."""
    if isinstance(value, dict):
        return {str(key): _texts(each) for key, each in value.items()}
    return [_texts(each) for each in value] if isinstance(value, list) else value


def main(report: str, target: str | None = None) -> None:
    """Read a report and write its vectors."""
    text = json.dumps(vectors(json.loads(Path(report).read_text(encoding="utf-8"))), ensure_ascii=False, indent=1)
    if target is None:
        sys.stdout.write(text + "\n")
    else:
        Path(target).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
