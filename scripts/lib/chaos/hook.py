"""The login hook of a fleet in chaos: notes each run and what the gateway saw then, and does what its mood says. Pure.

The notes are an outside witness: whether the account was connected when somebody logged in for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOODS: Final = ("good", "late", "failing", "hostile", "stranger", "silent", "person")
_PROGRAM: Final = """#!{python} -S
import json, os, random, subprocess, sys, time, urllib.request
request = json.load(sys.stdin)
unb = (request["cookie"] or "").split("unb=")[-1].split(";")[0]
with urllib.request.urlopen({control!r} + "stats?unb=" + unb, timeout=5) as answer:
    seen = json.load(answer)
with open({mood!r}) as file:
    mood = file.read().strip()
note = dict(at=seen["now"], account=request["account"], unb=unb, live=seen["accounts"][unb]["live"], mood=mood)
with open({runs!r}, "a") as file:
    file.write(json.dumps(note) + "\\n")
def say(**what):
    print(json.dumps(what), flush=True)
def cookie(of):
    return "unb=%s; cookie2=sim-hook-%d" % (of, time.time_ns())
if mood == "late":
    time.sleep(random.uniform(1.0, 6.0))
if mood in ("good", "late"):
    print("logging in")
    say(cookie=cookie(unb))
elif mood == "failing":
    say(error="the page did not load")
elif mood == "person":
    say(error="slider", needs_human=True)
elif mood == "stranger":
    say(cookie=cookie("2299999999999"))
elif mood == "silent":
    subprocess.Popen(["sleep", "600"])
    time.sleep(600)
else:
    what = random.randrange(4)
    if what == 0:
        sys.stdout.write("\\x1b]0;title\\x07{{" * 40000)
    elif what == 1:
        os.write(1, b"\\xff\\xfe\\x00" * 1000)
    elif what == 2:
        os.kill(os.getpid(), 11)
    else:
        say(cookie="unb=<script>; cookie2=", error=["x"] * 5000)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One login."""

    at: float
    """Monotonic seconds."""
    account: str
    unb: str
    live: int
    """Connections that the gateway saw of this user then."""
    mood: str


class Hook:
    """The program in a folder, its mood, and the notes of its runs."""

    def __init__(self, folder: Path, control: str, python: str) -> None:
        self._mood = folder / "mood"
        self._runs = folder / "runs"
        self.program = folder / "hook"
        words = {"mood": str(self._mood), "runs": str(self._runs), "control": control, "python": python}
        self.program.write_text(_PROGRAM.format(**words))
        self.program.chmod(0o700)
        self.mood("good")

    def mood(self, name: str) -> None:
        """Set what the runs that begin from now on do."""
        self._mood.write_text(name)

    def runs(self) -> list[Run]:
        """Return all runs so far."""
        if not self._runs.exists():
            return []
        return [Run(**json.loads(line)) for line in self._runs.read_text().splitlines() if line.endswith("}")]
