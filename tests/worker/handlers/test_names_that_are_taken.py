"""A handler's file with the name of another module is never taken for it in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.shop import clean_imports
from xyfleet.worker.handlers.loader import Unusable, load

GOOD = "async def answer(message, account):\n    return 'x'\n"


@pytest.mark.parametrize("name", ["queue", "secrets", "types", "json", "sys"])
def test_the_other_module_is_named(tmp_path: Path, name: str) -> None:
    """What cannot be loaded says that the name is taken, and by what (S13)."""
    (tmp_path / f"{name}.py").write_text(GOOD)
    with clean_imports(tmp_path), pytest.raises(Unusable) as caught:
        load(f"{name}:answer", str(tmp_path))

    assert str(caught.value).startswith(f"{tmp_path}/{name}.py is not used: the name is taken by ")


def test_a_file_that_comes_first_is_used(tmp_path: Path) -> None:
    """One that nothing has imported before is loaded, as Python would."""
    (tmp_path / "this_is_nowhere_else.py").write_text(GOOD)
    with clean_imports(tmp_path):
        assert load("this_is_nowhere_else:answer", str(tmp_path)) is not None
