"""scripts/test: the steps, their report, and arguments for pytest."""

from __future__ import annotations

import re

import pytest

from support.machine import Machine


def test_checks_go_on_after_a_failure(machine: Machine) -> None:
    """A failed step is named at the end and the exit code tells it; the later steps have run all the same."""
    machine.python()

    result = machine.start(script="test", STANDIN_FAILS="ruff check")

    steps = re.findall(r"^== (.*)$", result.stdout, re.MULTILINE)
    tools = [line.split()[1] for line in machine.calls("-m") if line.split()[1] not in {"venv", "pip"}]
    compiled, tested = ["pytest"], ["pytest", "pytest"]
    assert [tool for tool in tools if tool != "mypy"] == ["ruff", "ruff", *compiled, *tested]
    assert tools.count("mypy") == 2  # beside the others
    assert "lint: FAILED" in steps
    assert steps[-1] == "FAILED: lint"
    assert any(re.fullmatch(r"\d+ s in all", step) for step in steps)
    assert result.returncode == 1


@pytest.mark.parametrize("which", ["xyfleet.worker", "tests scripts"])
def test_types_are_a_step_of_their_own(machine: Machine, which: str) -> None:
    """They are checked beside the tests and told after them; a fault in either half fails the run."""
    machine.python()

    result = machine.start(script="test", STANDIN_FAILS=which)

    steps = re.findall(r"^== (.*)$", result.stdout, re.MULTILINE)
    assert steps.index("types: FAILED") == steps.index("types") + 1 > steps.index("tests")
    assert steps[-1] == "FAILED: types"
    assert result.returncode == 1


def test_all_checks_well(machine: Machine) -> None:
    """When every step passes the exit code is 0."""
    machine.python()

    result = machine.start(script="test")

    assert result.returncode == 0
    assert "all is well" in result.stdout


def test_long_tests_run_on_demand(machine: Machine) -> None:
    """Tests marked `long` are left out, unless `--long` asks for them."""
    machine.python()
    machine.start(script="test")
    usual = machine.calls("-m pytest -m")
    machine.log.write_text("")

    result = machine.start("--long", script="test")

    assert [call.split(" -m ")[1] for call in usual] == [
        "not timing and not long --hypothesis-profile short -n 4 --dist",
        "timing and not long",
    ]
    assert machine.calls("-m pytest -m") == [
        call.replace(" and not long", "").replace("short", "long") for call in usual
    ]
    assert result.returncode == 0


def test_arguments_go_to_pytest(machine: Machine) -> None:
    """With arguments only pytest runs, and its exit code is the script's."""
    machine.python()
    machine.start(script="test")
    machine.log.write_text("")

    result = machine.start("tests/test_heart.py", "-k", "late", script="test", STANDIN_FAILS="late")

    assert machine.calls("-m") == ["-m pytest tests/test_heart.py -k late"]
    assert result.returncode == 1


def test_tests_install_what_xyfleet_needs(machine: Machine) -> None:
    """After scripts/test, scripts/xyfleet has nothing left to install."""
    machine.python()
    machine.start("-q", script="test")

    assert machine.start().stderr == ""
