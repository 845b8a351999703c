"""Draw the condition of an account from its table: `condition_page.py` writes it into the documents. Shell.

With `--check` it only looks whether the documents are as they would be written. The arrows are found by trying: from
the first condition on, every event is sent to every condition that can be reached.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from xyfleet.supervisor.supervision.account_events import Event, HookEnd, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Hold, Login, Timer, Wish, Worker
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.transitions import NUMBERED, TABLE, transition
from xyfleet.worker.causes import Cause

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = (ROOT / "docs" / "condition.md", ROOT / "docs" / "condition.zh-CN.md")
BEGIN: Final = "<!-- drawn by scripts/lib/condition_page.py from supervisor/supervision/transitions.py -->"
END: Final = "<!-- until here -->"
PARTS: Final[dict[str, type[StrEnum]]] = {"wish": Wish, "worker": Worker, "login": Login}
NOW: Final = 1e6

Arrows = dict[tuple[str, str], set[str]]
"""From, to; the events that make it."""


def _facts(kind: Kind) -> list[dict[str, Any]]:
    """Return what may come with an event of this kind, as far as the table looks at it."""
    match kind:
        case Kind.FAILED:
            return [{"cause": cause} for cause in (Cause.AUTH, Cause.RISK, Cause.NETWORK, Cause.BUG)]
        case Kind.HOOK_ENDED:
            return [{"end": end, "wait": 60.0} for end in get_args(HookEnd)]
        case Kind.GONE:
            return [{"why": "exit"}, {"why": "forkserver"}]
        case Kind.GATES:
            return [{"reach": reach, "login": login} for reach in (False, True) for login in (False, True)]
        case Kind.SETTINGS_LIVE:
            return [{"has_hook": True}]
        case _:
            return [{}]


def _answers(it: Condition, kind: Kind) -> Iterator[Event]:
    held = NUMBERED.get(kind)
    number = None if held is None else held(it)
    if held is None or number is not None:
        for facts in _facts(kind):
            yield Event(kind=kind, number=number, **facts)


def _alike(it: Condition) -> Condition:
    """Return a condition without what tells apart only when and how often."""
    timer = None if it.timer is None else Timer(number=1, kind=it.timer.kind, at=NOW)
    return msgspec.structs.replace(
        it,
        timer=timer,
        hold=None if it.hold is None else Hold(cause=Cause.RISK, until=NOW),
        last_number=1,
        fresh_restart_at=None,
        start=None if it.start is None else 1,
        hook=None if it.hook is None else 1,
        then=None if it.then is None else 0.0,
        crashes=min(it.crashes, 1),
        window=0.0,
        healthy_since=None,
        hold_level=0,
        held_for=0.0,
        proxy_said=False,
        asked=False,
        cause=Cause.AUTH,
        failed=None if it.failed is None else Cause.AUTH,
    )


def arrows() -> dict[str, Arrows]:
    """Return the moves of each part that the table can make."""
    found: dict[str, Arrows] = {part: {} for part in PARTS}
    first = Condition()
    known, waiting = {first}, [first]
    while waiting:
        it = waiting.pop()
        for after, kind in _steps(it):
            for part, moves in found.items():
                before_is, after_is = getattr(it, part), getattr(after, part)
                if before_is is not after_is:
                    moves.setdefault((before_is.value, after_is.value), set()).add(kind.value)
            if (like := _alike(after)) not in known:
                known.add(like)
                waiting.append(like)
    return found


def _steps(it: Condition) -> Iterator[tuple[Condition, Kind]]:
    for kind in Kind:
        for event in _answers(it, kind):
            for has_hook in (True, False):
                done = transition(it, event, NOW, RestartRules(has_hook=has_hook), 0.5)
                if done.ignored is None and not done.impossible:
                    yield done.condition, kind


def diagram(values: Iterable[StrEnum], moves: Arrows) -> Iterator[str]:
    """Yield a state diagram."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    first, *_ = values
    yield f"    [*] --> {first.value}"
    for (before, after), events in sorted(moves.items()):
        yield f"    {before} --> {after}: {', '.join(sorted(events))}"
    yield "```"


def table() -> Iterator[str]:
    """Yield the table: each event, the part that it looks at, and what it does to each value of that."""
    for part, values in PARTS.items():
        yield f"| event | {' | '.join(f'{part} {value.value}' for value in values)} |"
        yield "|---|" + "---|" * len(values)
        for kind, row in TABLE.items():
            if isinstance(next(iter(row)), values):
                yield f"| `{kind.value}` | {' | '.join(_cell(row[value]) for value in values)} |"
        yield ""


def _cell(entry: object) -> str:
    if entry is None:
        return "impossible"
    return f"*{entry}*" if isinstance(entry, str) else f"**{getattr(entry, '__name__', '')}**"


def drawn() -> str:
    """Return what stands between the marks."""
    found = arrows()
    lines: list[str] = []
    for part, values in PARTS.items():
        lines += [f"### {part}", "", *diagram(values, found[part]), ""]
    return "\n".join([BEGIN, "", *lines, *table(), END])


def rewritten(text: str, new: str) -> str:
    """Return a page with the drawing as it is now."""
    head, _, rest = text.partition(BEGIN)
    return head + new + rest.partition(END)[2]


def main(words: list[str]) -> int:
    """Write the pages, or only look."""
    new = drawn()
    stale = [page for page in PAGES if rewritten(text := page.read_text(encoding="utf-8"), new) != text]
    if words == ["--check"]:
        for page in stale:
            sys.stderr.write(f"{page.name}: not as the table is; run: .venv/bin/python scripts/lib/condition_page.py\n")
        return 1 if stale else 0
    for page in stale:
        page.write_text(rewritten(page.read_text(encoding="utf-8"), new), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
