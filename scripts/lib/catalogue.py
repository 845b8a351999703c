"""Keep the catalogue of texts complete: `catalogue.py` updates and compiles it; with `--check` it only looks. Shell.

English texts stand in the code, marked with `_()`, `N_()` or (singular and plural) `P_()`; the Chinese ones in
`supervisor/locale/zh/LC_MESSAGES/xyfleet.po`. Run it with the development environment's Python (it needs babel).
"""

from __future__ import annotations

import functools
import gettext
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from xyfleet.worker import reasons

ROOT: Final = Path(__file__).resolve().parents[2]
PO: Final = ROOT / "supervisor" / "locale" / "zh" / "LC_MESSAGES" / "xyfleet.po"
MO: Final = PO.with_suffix(".mo")
KEYWORDS: Final = {"_": None, "N_": None, "P_": (1, 2)}
PLACEHOLDER: Final = re.compile(r"%\(\w+\)[-+ #0-9.]*[a-z]|%%|(?<!\$)\{\w+(?:![rs])?\}")


@functools.cache
def extracted() -> Catalog:
    """Return every marked text of the code."""
    catalog = Catalog(locale="zh", project="xyfleet", charset="utf-8")
    methods = [("**.py", "python")]
    for file, _line, text, _comments, _context in extract_from_dir(ROOT / "supervisor", methods, keywords=KEYWORDS):
        catalog.add(text, locations=[(f"supervisor/{file}", 0)])
    for text in reasons.TEXTS.values():
        catalog.add(text, locations=[("worker/reasons.py", 0)])
    return catalog


def stored() -> Catalog:
    """Return the translations as the repository has them."""
    with PO.open("rb") as file:
        return read_po(file, locale="zh", charset="utf-8")


def compiled(catalog: Catalog) -> bytes:
    """Return what `gettext` reads."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def update() -> None:
    """Bring new texts into the catalogue, take unused ones out, compile it."""
    catalog, template = stored(), extracted()
    template.creation_date = catalog.creation_date  # a date alone is no change
    catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    with PO.open("wb") as file:
        write_po(file, catalog, width=110, sort_output=True, include_lineno=False, ignore_obsolete=True)
    MO.write_bytes(compiled(catalog))


def problems() -> Iterator[str]:
    """Yield what is missing, unused, different in its placeholders or not compiled."""
    catalog, template = stored(), extracted()
    for message in template:
        if message.id and message.id not in catalog:
            yield f"not in the catalogue: {message.id!r}"
    for message in catalog:
        if message.id:
            yield from _faults(message, template)
    if not MO.exists() or _texts(MO.read_bytes()) != _texts(compiled(catalog)):
        yield f"{MO.name} is not {PO.name} compiled"


def _faults(message: Message, template: Catalog) -> Iterator[str]:
    texts = message.string if isinstance(message.string, tuple) else (message.string,)
    if message.id not in template:
        yield f"no longer in the code: {message.id!r}"
    elif not all(texts) or message.fuzzy:
        yield f"no translation: {message.id!r}"
    elif any(_placeholders(str(text)) != _placeholders(_english(message)) for text in texts):
        yield f"other placeholders: {message.id!r}"


def _english(message: Message) -> str:
    """Return the text, of a plural pair the plural: Chinese has one form for both."""
    return message.id if isinstance(message.id, str) else message.id[-1]


def _placeholders(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text))


def _texts(mo: bytes) -> dict[object, str]:
    catalogue = vars(gettext.GNUTranslations(io.BytesIO(mo)))["_catalog"]
    return {key: text for key, text in catalogue.items() if key}


def main() -> int:
    """Update, or with `--check` say what is wrong."""
    if sys.argv[1:] != ["--check"]:
        update()
    found = list(problems())
    for problem in found:
        sys.stderr.write(problem + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
