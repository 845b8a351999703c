"""The guards of supervision's table and rules: with any of them taken out, the tests of this folder fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import REPOSITORY, TESTS

ROOM = "supervisor/supervision/"
MUTATIONS = {
    "late answers count": ("transitions.py", "held(it) != event.number", "False"),
    "a hook for who is connected": (
        "login_moves.py",
        "        if self._it.up:\n            return\n        if self._it.hold",
        "        if self._it.hold",
    ),
    "a refresh that fails ends a hold": (
        "login_moves.py",
        "        if self._it.hold is not None:\n            self._hold_on()\n        elif needed:",
        "        if needed:",
    ),
    "hooks in an outage": ("condition_editor.py", "if self._hooks_shut() and not asked:", "if False:"),
    "starts in an outage": ("condition_editor.py", "elif not it.reach_gate:", "else:"),
    "no end of a hook by a new cookie": (
        "owner_moves.py",
        "        self._cancel_hook()\n        self.actions.append(do.CancelTicket())\n        self._forgive()\n",
        "        self._forgive()\n",
    ),
    "a stop that leaves its timer": (
        "condition_editor.py",
        "        self._set(wish=wish)\n        self._cancel_timer()",
        "        self._set(wish=wish)",
    ),
    "a login within a stop is forgotten": (
        "condition_editor.py",
        "            self._set(then=delay)\n        elif it.worker is not",
        "            pass\n        elif it.worker is not",
    ),
    "the forkserver's death counts": ("worker_moves.py", 'elif event.why == "forkserver":', "elif False:"),
    "a person for who is connected": (
        "condition_editor.py",
        "        if self._it.up:\n            return\n        self._set(login=Login.PERSON",
        "        self._set(login=Login.PERSON",
    ),
    "two of two are everybody": ("outage_tally.py", "LEAST: Final = 3", "LEAST: Final = 1"),
    "canaries do not take turns": ("canary_turns.py", "self._sent[name] = self._last_sent", "pass"),
    "own troubles are everybody's": ("outage_tally.py", "self._own |= failing", "pass"),
    "a new login waits like the others": ("outage.py", "self._passing.add(name)", "pass"),
    "an outage sends to a person": (
        "login_moves.py",
        'if self._it.person == "no_hook" and self._it.user:',
        "if False:",
    ),
    "login outages hold dials": (
        "outage.py",
        "return Group.REACH in held, Group.LOGIN in held",
        "return bool(held), Group.LOGIN in held",
    ),
    "each way sends a canary": (
        "outage_recovery.py",
        "if now < outage.next_try or self.watch.rests(outage):",
        "if now < outage.next_try:",
    ),
    "ways wait on after the platform": (
        "outage.py",
        "        if (PLATFORM, Group.LOGIN) not in",
        "        if True or None in",
    ),
    "nobody waits for others' answers": ("login_doubt.py", "return count.died and", "return False and"),
    "logins are never known to be taken": ("outage.py", "now < self._taken.get(scope, now)", "False"),
    "two accounts have one user": ("owners.py", "        if holder is not account:\n            return False\n", ""),
    "who left waits on": (
        "owners.py",
        "        self._unwait(account)\n        self._leave(account)\n",
        "        self._leave(account)\n",
    ),
    "the next one is not told": ("owners.py", "            then()\n\n    def _unwait", "\n    def _unwait"),
    "a hold ends with the supervisor": (
        "past.py",
        "return msgspec.structs.replace(changed, login=Login.HELD, hold=hold, cause=past.hold)",
        "return changed",
    ),
    "a clock set back holds for longer": (
        "past.py",
        "now + min(past.hold_until - wall, HOLDS[past.hold][1])",
        "now + past.hold_until - wall",
    ),
    "who waited for an outage logs in after a restart": ("past.py", "if past.waits is not None:", "if False:"),
    "an outage that is gone is waited for": (
        "owner_moves.py",
        'if self._it.waits_for == "outage" and not self._hooks_shut():',
        "if False:",
    ),
    "a canary that a restart cut off goes again": ("outage_memory.py", "if it.ahead:", "if False:"),
    "a clock set back holds canaries": (
        "outage_memory.py",
        "min(max(0.0, it.next_try - wall), longest)",
        "it.next_try - wall",
    ),
    "a fresh restart of the future": ("past.py", "return now - max(0.0, wall - at)", "return now - wall + at"),
}
PURE = (
    "test_gates.py",
    "test_transitions.py",
    "test_account_model.py",
    "test_outage.py",
    "test_outage_members.py",
    "test_outage_memory.py",
    "test_canaries_of_ways.py",
    "test_login_doubt.py",
    "test_logins_are_taken.py",
    "test_owners.py",
    "test_past.py",
    "test_restart_policy.py",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program that may be spoiled."""
    folder = tmp_path_factory.mktemp("mutant") / "xyfleet"
    for package in ("supervisor", "worker"):
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def passes(program: Path) -> bool:
    """Whether the pure tests pass on a copy of the program."""
    tests = [str(TESTS / ROOM / name) for name in PURE]
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly"]
    words += ["--hypothesis-profile", "long", *tests]
    environment = {**os.environ, "PYTHONPATH": str(program.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stdout.decode()[-2000:]
    return done.returncode == 0


@pytest.mark.long
@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", [None, *MUTATIONS])
def test_mutations_are_caught(program: Path, name: str | None) -> None:
    """As it is the program passes; each mutation makes some test fail."""
    if name is None:
        assert passes(program)
        return
    file, old, new = MUTATIONS[name]
    path = program / ROOM / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    try:
        assert not passes(program)
    finally:
        path.write_text(text)


def test_mutations_fit_the_code() -> None:
    """The short form: every guard that is named is in the code, once."""
    for file, old, _ in MUTATIONS.values():
        assert (REPOSITORY / ROOM / file).read_text().count(old) == 1, old
