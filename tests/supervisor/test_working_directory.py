"""B5: no file of the working directory is ever run as code by one of the fleet's processes."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fleet import Fleet, account, running
from support.gateway import Gateway
from support.places import REPOSITORY

SAFE = {"-P", "-I"}
"""Options of Python that leave the working directory out of `sys.path`."""
TRAP = """
import os
with open({file!r}, "a") as file:
    file.write(__name__ + " ")
raise SystemExit(1)
"""
PLANTED = ("uvloop", "argparse", "aiohttp", "ssl", "xyfleet")


def commands(source: str) -> Iterator[tuple[ast.AST, bool]]:
    """Yield each use of `sys.executable` in a source, and whether it begins a command that is safe."""
    tree = ast.parse(source)
    uses = {id(node): node for node in ast.walk(tree) if ast.unparse(node) == "sys.executable"}
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple) and node.elts and id(node.elts[0]) in uses:
            option = node.elts[1] if len(node.elts) > 1 else None
            yield uses.pop(id(node.elts[0])), isinstance(option, ast.Constant) and option.value in SAFE
        elif isinstance(node, ast.Dict):  # a field of a text: told, not run
            for value in node.values:
                uses.pop(id(value), None)
    yield from ((node, False) for node in uses.values())


@pytest.mark.parametrize("package", ["supervisor", "worker"])
def test_each_child_leaves_the_working_directory_alone(package: str) -> None:
    """Each use of `sys.executable` begins a command line, and `-P` or `-I` follows it."""
    files = (REPOSITORY / package).rglob("*.py")
    found = [(file, node, safe) for file in files for node, safe in commands(file.read_text())]
    unsafe = [f"{file.relative_to(REPOSITORY)}:{getattr(node, 'lineno', 0)}" for file, node, safe in found if not safe]

    assert unsafe == []
    assert package == "worker" or len(found) >= 5


def test_the_look_itself() -> None:
    """It sees what is unsafe."""
    source = "a = [sys.executable, '-m', 'x']; b = f(sys.executable); c = [sys.executable, '-P', '-m', 'x']"

    assert [safe for _, safe in commands(source)] == [False, True, False]


def test_planted_modules_are_not_run(tmp_path: Path, fresh_gateway: Gateway) -> None:
    """B5: a fleet with a webhook and the built-in gateway runs none of the modules that lie where it was started."""
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    for name in PLANTED:
        (cwd / f"{name}.py").write_text(TRAP.format(file=str(tmp_path / "ran")))
    fleet = Fleet(tmp_path, fresh_gateway.endpoint, fresh_gateway.token_url)
    fleet.cwd = cwd
    fleet.config["fleet"] |= {"endpoint": "simulator"}
    del fleet.config["fleet"]["token_url"]
    fleet.config["accounts"] = [account(0, webhook={"url": "http://127.0.0.1:9/"})]
    with running(fleet):
        fleet.wait_connected()
        fleet.until(lambda: (fleet.run_dir / "webhook.sock").exists(), "the webhook process listens")
        assert json.loads(fleet.client.get("/v1/status").body)["fleet"]["notes"] == []

    assert not (tmp_path / "ran").exists()
