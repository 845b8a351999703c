"""The documents: both READMEs say the same, and what they show and link to is there and works."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from support.places import REPOSITORY
from xyfleet.supervisor.cli.main import COMMANDS
from xyfleet.supervisor.config.load import load

READMES = ("README.md", "README.zh-CN.md")
DOCUMENTS = sorted(path.relative_to(REPOSITORY) for path in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])


def text_of(name: str | Path) -> str:
    """Return a document's text."""
    return (REPOSITORY / name).read_text(encoding="utf-8")


def blocks(text: str, kind: str) -> list[str]:
    """Return the code blocks of one kind, without comments, which are in the document's own language."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(r"^ *#.*\n", "", textwrap.dedent(body), flags=re.MULTILINE) for _indent, body in found]


def shape(text: str) -> list[str]:
    """Return the kind of each heading, table row, list item and code block, in order."""
    marks = re.finditer(r"^ *(#+ |\||```\w*|\d+\. |- )", text, re.MULTILINE)
    return [re.sub(r"\d+", "1", mark.group(1)) for mark in marks]


def test_readmes_have_one_shape() -> None:
    """English and Chinese have the same headings, tables, lists and code, in the same order."""
    english, chinese = map(text_of, READMES)

    assert shape(english) == shape(chinese)
    for kind in ("sh", "yaml", "ini"):
        assert blocks(english, kind) == blocks(chinese, kind)


@pytest.mark.parametrize("name", READMES)
def test_commands_exist(name: str) -> None:
    """Every command that a README tells people to type is one, and no command is left out."""
    text = text_of(name)

    typed = set(re.findall(r"scripts/xyfleet (?:--fleet \S+ )?([a-z]+)", text))
    listed = set(re.findall(r"`([a-z-]+)(?: [^`]*)?`", text))

    assert typed <= set(COMMANDS)
    assert set(COMMANDS) <= listed | typed


@pytest.mark.parametrize("name", READMES)
def test_accounts_files_are_right(name: str, tmp_path: Path) -> None:
    """Every accounts file shown is accepted once its cookie is filled in."""
    shown = blocks(text_of(name), "yaml")

    (tmp_path / "my-login.sh").write_text("#!/bin/sh\n")
    (tmp_path / "my-login.sh").chmod(0o700)
    for text in shown:
        file = tmp_path / "accounts.yml"
        file.write_text(text.replace("…", "x"), encoding="utf-8")
        settings = load(file, {"SHOP_001_PASSWORD": "x", "HOME": str(tmp_path)})
        assert list(settings.accounts) == ["shop-001"]

    assert len(shown) == 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document leads to a file of this repository."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(document))

    lost = [target for target in targets if not (REPOSITORY / document.parent / target).exists()]

    assert lost == []
