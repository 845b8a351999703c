"""A login hook that misbehaves as a process is named, and killed with all it started."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from support.hooks import COOKIE, UNB, Service, gone, run, script
from support.records import change
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.policy import Failed, NewCookie, NothingToChange, left_today, next_allowed
from xyfleet.supervisor.login_hook.process import execute
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret

NO_USER = Reason("cookie_no_user")
OTHER_USER = Reason("cookie_other_user", {"found": "5", "expected": UNB})
ODD_PART = Reason("cookie_odd", {"number": 1, "count": 1})

pytestmark = pytest.mark.pythons


@pytest.mark.parametrize(
    ("hook", "result"),
    [
        ("sys.exit(3)", Failed(Reason("exit_code", {"status": 3}))),
        ("sys.exit('words')", Failed(Reason("exit_code", {"status": 1}))),
        ("os.kill(os.getpid(), signal.SIGSEGV)", Failed(Reason("killed", {"words": "SIGSEGV"}))),
        ("os.kill(os.getpid(), signal.SIGKILL)", Failed(Reason("killed", {"words": "SIGKILL"}))),
        ("pass", Failed(Reason("hook_nothing"))),
        ("print('unb=1')", Failed(Reason("hook_no_json"))),
        ("print('[]')", Failed(Reason("hook_no_object", {"words": "list"}))),
        ("say(Cookie='x')", Failed(Reason("hook_no_cookie"))),
        (
            "say(cookie='a=b')",
            Failed(Reason("hook_cookie", {"of": NO_USER})),
        ),
        (
            "say(cookie='unb=1；a=b')",
            Failed(Reason("hook_cookie", {"of": ODD_PART})),
        ),
        (
            "say(cookie='unb=<script>')",
            Failed(Reason("hook_cookie", {"of": NO_USER})),
        ),
        (
            "say(cookie='unb=5; a=b')",
            Failed(OTHER_USER),
        ),
        ("say(error='pass-word was wrong')", Failed(words("*** was wrong"))),
        ("sys.stdout.write('x' * 65537)", Failed(Reason("hook_floods", {"size": 64}))),
        ("while True: sys.stdout.write('x' * 9999)", Failed(Reason("hook_floods", {"size": 64}))),
    ],
)
async def test_a_bad_hook_is_named(service: Service, store: Store, hook: str, result: Failed) -> None:
    """Every wrong answer and every wrong end has its name, counts as a failed run, and leaves the old cookie."""
    assert await run(service(hook)) == result
    assert [attempt.ok for attempt in store.get("shop").attempts] == [False]
    assert store.get("shop").cookie == COOKIE


async def test_the_largest_output_is_taken(service: Service) -> None:
    """Exactly 64 KiB is no flood."""
    hooks = service(
        f"text = json.dumps(dict(cookie='unb={UNB}; a=b')); sys.stdout.write(text + ' ' * (65536 - len(text)))"
    )

    assert await run(hooks) == NewCookie(Secret(f"unb={UNB}; a=b"))


async def test_a_hook_that_hangs_is_killed_with_all_it_started(service: Service, tmp_path: Path) -> None:
    """After `timeout` the hook is ended: SIGTERM, then SIGKILL, for its children in other sessions too."""
    hooks = service(
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "60"], start_new_session=True)
        open("pids", "w").write(f"{os.getpid()} {child.pid}")
        while True: time.sleep(1)
        """,
        timeout=0.5,
    )

    assert await run(hooks) == Failed(Reason("hook_hangs", {"seconds": 0.5}))
    assert all(gone(int(pid), within=0.0) for pid in (tmp_path / "pids").read_text().split())


async def test_a_guard_that_was_killed_takes_its_group_along(service: Service, tmp_path: Path) -> None:
    """SIGKILL of the guard by somebody else: the rest of its group is ended and the run has failed."""
    hooks = service("""
        child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        open("pids", "w").write(f"{child.pid}")
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    """)

    assert await run(hooks) == Failed(Reason("killed", {"words": "SIGKILL"}))
    assert gone(int((tmp_path / "pids").read_text()))


async def test_a_hook_that_does_not_read_is_no_fault(service: Service, store: Store) -> None:
    """A hook that closes its stdin unread, with more in it than a pipe holds, is understood all the same."""
    change(store, "shop", cookie=Secret(f"unb={UNB}; big={'x' * 300_000}"))

    assert await run(service("os.close(0); time.sleep(0.1); say()")) == NothingToChange()


async def test_a_large_request_is_read_whole(service: Service, store: Store) -> None:
    """More than a pipe holds goes through when the hook reads it."""
    change(store, "shop", cookie=Secret(f"unb={UNB}; big={'x' * 300_000}"))

    result = await run(service("say(error=str(len(json.load(sys.stdin)['cookie'])))"))

    assert result == Failed(words(str(len(f"unb={UNB}; big=") + 300_000)))


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (None, 0o755, "missing: {path}"),
        (b"#!/bin/sh\necho {}\n", 0o644, "not executable; do: chmod +x {path}"),
        (b"#!/bin/sh\r\necho {}\r\n", 0o755, "bad interpreter: first line ends in CRLF (Windows line ends); do: sed"),
        (b"#!/no/such/python\n", 0o755, "bad interpreter: /no/such/python is not there"),
        (b"#!\n", 0o755, "bad interpreter: none is not there"),
        (b"echo {}\n", 0o755, "cannot be started: exec format error"),
        (b"", 0o755, "cannot be started: exec format error"),
    ],
)
async def test_a_hook_that_can_not_be_started_is_named(
    service: Service, store: Store, tmp_path: Path, content: bytes | None, mode: int, reason: str
) -> None:
    """A file that can't be run is named with the remedy, and costs none of the day's logins."""
    path = tmp_path / "given"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    result = await run(service((str(path), "--fast")))

    assert isinstance(result, Failed)
    assert str(result.reason).startswith(reason.format(path=path))
    assert not result.ran
    attempts = store.get("shop").attempts
    assert left_today(attempts, time.time()) == 6
    assert next_allowed(attempts, time.time()) is not None


async def test_a_folder_is_no_hook(service: Service, tmp_path: Path) -> None:
    """A folder as the command is named as such."""
    assert await run(service((str(tmp_path),))) == Failed(Reason("program_no_file", {"path": str(tmp_path)}), ran=False)


async def test_no_hook_is_configured(service: Service) -> None:
    """Without a command nothing runs."""
    assert await run(service(None)) == Failed(Reason("no_hook"), ran=False)


async def test_a_system_that_refuses_a_process_is_named(service: Service, tmp_path: Path) -> None:
    """When no process can be started, here because the file's folder is gone, the reason is the system's word."""
    folder = tmp_path / "moved away"
    hooks = service("say()", folder=folder)

    assert await run(hooks) == Failed(Reason("hook_not_started", {"words": "No such file or directory"}), ran=False)


async def test_arguments_are_no_shell_words(service: Service, tmp_path: Path) -> None:
    """Arguments reach the hook as they are."""
    hooks = service((script(tmp_path, "say(error=' '.join(sys.argv[1:]))"), "$HOME;", "a b"))

    assert await run(hooks) == Failed(words("$HOME; a b"))


async def test_a_hook_that_reads_nothing_is_heard(tmp_path: Path) -> None:
    """A command that is over before its request is written, because we were busy, has answered all the same."""
    asyncio.get_running_loop().call_soon(time.sleep, 0.5)
    ended = await execute(
        ["/bin/sh", "-c", "exec 0<&-; echo '{}'"],
        env={"PATH": "/usr/bin:/bin"},
        folder=tmp_path,
        stdin=b"x" * 300_000,
        timeout=10,
        on_stderr=lambda data: None,
    )

    assert (ended.code, ended.output, ended.stopped) == (0, b"{}\n", None)
