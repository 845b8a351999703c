"""The one catalogue of texts for people: English in the code, Chinese in `locale/zh`. Shell (reads the catalogue once).

Mark every text with `_()`, values by name: `_("no account %(name)s") % {"name": name}`. For a text that is chosen
now and shown later, in a language known only then, keep the English text (marked with `N_()`) and call `tr()`.
"""

from __future__ import annotations

import functools
import gettext
import locale
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

LANGUAGES: Final = ("zh", "en")
_LOCALE_DIR: Final = Path(__file__).parents[1] / "locale"
_current = "en"


@functools.cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("xyfleet", _LOCALE_DIR, [language], fallback=language == "en")


def use(language: str) -> None:
    """Set the language of `_()` for this process: `zh` or `en`."""
    global _current
    _catalogue(language)
    _current = language


def from_locale() -> str:
    """Return the language that the environment asks for (LC_ALL, LC_MESSAGES, LANG), else `en`."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh" if locale.normalize(value).lower().startswith("zh") else "en"
    return "en"


def tr(language: str, text: str) -> str:
    """Return `text` (an English text marked with `N_()`) in `language`."""
    return _catalogue(language).gettext(text) if text else ""


def _(text: str) -> str:
    """Return `text` in the language set by `use()`."""
    return tr(_current, text)


def N_(text: str) -> str:
    """Mark `text` for the catalogue, and return it as it is."""
    return text


class Text(NamedTuple):
    """A sentence for people whose language is known only when it is shown."""

    template: str
    """English, marked with `N_()`; `%(name)s` for values, which may be sentences themselves."""
    values: Mapping[str, object] = {}

    def say(self, language: str) -> str:
        """Return the sentence in `zh` or `en`."""
        values = {name: each.say(language) if isinstance(each, Text) else each for name, each in self.values.items()}
        return tr(language, self.template) % values


def said(text: Text) -> str:
    """Return the sentence in the language set by `use()`."""
    return text.say(_current)


def sentences(texts: Mapping[str, Text], language: str) -> dict[str, str]:
    """Return each account's sentence in a language."""
    return {name: text.say(language) for name, text in texts.items()}
