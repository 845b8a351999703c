"""Every reason of the program's own has its sentence in both languages, and fits its fields."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.places import REPOSITORY
from xyfleet.supervisor.presentation.reason_text import reason_words
from xyfleet.worker.reasons import TEXTS, Reason, words

_FIELD = re.compile(r"%\((\w+)\)(?:\.\d)?([dgfs])")
_SAMPLE: dict[str, str | int | float] = {"d": 3, "g": 2.5, "f": 2.5, "s": "X"}


def sample(code: str) -> Reason:
    """Return a reason with this code and some value in each field."""
    return Reason(code, {name: _SAMPLE[kind] for name, kind in _FIELD.findall(TEXTS[code])})


@pytest.mark.parametrize("code", TEXTS)
def test_every_reason_is_said_in_both_languages(code: str) -> None:
    """English is the raw words; Chinese has Chinese in it, and no English sentence."""
    reason = sample(code)
    chinese = reason_words(reason, "zh")

    assert reason_words(reason, "en") == str(reason)
    if re.search(r"[a-z]{3} [a-z]{2}", TEXTS[code]):
        assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert not re.search(r"[a-z]{2} [a-z]{2,} [a-z]{2}", chinese)


def test_a_reason_within_a_reason_is_said_in_the_same_language() -> None:
    """`token call: …`, `via proxy: …` and their like."""
    reason = Reason("token_call", {"of": Reason("http_status", {"status": 502})})

    assert str(reason) == "token call: HTTP status 502"
    assert reason_words(reason, "zh") == "取令牌：HTTP 状态 502"


def test_foreign_words_stay_as_they_are() -> None:
    """What a server, a proxy or a hook said is nobody's to translate, nor to format."""
    assert reason_words(words("100% 密码错误 %(x)s"), "zh") == "100% 密码错误 %(x)s"


def test_a_code_of_a_newer_version_is_shown_as_it_is() -> None:
    """So is one whose fields have changed: no fault, and nothing hidden."""
    assert reason_words(Reason("never_heard_of"), "zh") == "never_heard_of"
    assert str(Reason("closed", {"other": 1})) == "closed"


def test_a_reason_goes_through_a_pipe_and_a_file() -> None:
    """With a reason in it, too."""
    reason = Reason("renewing_waits", {"of": sample("reg_refused"), "why": sample("wait_token")})

    assert msgspec.json.decode(msgspec.json.encode(reason), type=Reason) == reason


def test_cleaning_reaches_every_text_within() -> None:
    """A secret that a server repeats is masked wherever it stands."""
    reason = Reason("via_proxy", {"of": Reason("proxy_failed", {"words": "secret"})})

    assert str(reason.cleaned(lambda text: text.replace("secret", "***"))) == "via proxy: proxy failed: ***"


def made(folder: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield where the program makes reasons by a code that stands there."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Reason":
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", node


@pytest.mark.parametrize("package", ["worker", "supervisor"])
def test_the_program_makes_no_reason_without_a_text(package: str) -> None:
    """Each code that stands in the code is known, with just the fields of its text."""
    seen = 0
    for where, call in made(REPOSITORY / package):
        if not isinstance(call.args[0], ast.Constant):
            continue
        seen += 1
        code = call.args[0].value
        assert code in TEXTS, where
        fields = call.args[1] if len(call.args) > 1 else ast.Dict([], [])
        if isinstance(fields, ast.Dict):
            given = {key.value for key in fields.keys if isinstance(key, ast.Constant)}
            assert given == {name for name, _ in _FIELD.findall(TEXTS[code])}, where
    assert seen > 10
