"""Measures supervisord and circus in the same way, with as many plain sleeping workers. Shell."""

from __future__ import annotations

import os
import random
import shlex
import signal
import socket
import statistics
import subprocess
import time
import venv
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple, Self

import psutil

from scripts.lib.bench.figures import Sheet, percentile
from scripts.lib.bench.processes import Broken, alive, kill, left, pss_mib, rss_mib, tied_with_many_files, wait_exit

ENVIRONMENT: Final = Path(__file__).parents[3] / ".venv" / "peers"
WANTED: Final = ("supervisor==4.3.0", "circus==0.19.0", f"uvloop=={version('uvloop')}")
WORKER: Final = Path(__file__).with_name("peerworker.py")
OUTSIDE: Final = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
"""The peers' environment: with our PYTHONPATH, supervisord would take our `supervisor` for its own."""
PATIENCE: Final = 120.0
KEYS: Final = frozenset(
    {"start", "memory", "memory_p95", "supervisor_rss", "running", "status", "stop", "orphans_supervisor"}
)
"""The rows in which a peer has a figure."""
KILLS: Final = 5
"""Workers killed in each run; circus takes up to five seconds to notice one."""
BREATH: Final = (0.0, 1.0)
"""Seconds between two kills: a peer looks once in a second or five, and must not be met in step with that."""

_SUPERVISORD: Final = """\
[unix_http_server]
file={folder}/s.sock
[supervisord]
nodaemon=true
logfile={folder}/daemon.log
pidfile={folder}/daemon.pid
minfds={files}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/s.sock
[program:shop]
command={command}
process_name=shop-%(process_num)04d
numprocs={accounts}
stdout_logfile=NONE
stderr_logfile=NONE
"""
_CIRCUS: Final = """\
[circus]
endpoint=ipc://{folder}/c.sock
pubsub_endpoint=ipc://{folder}/p.sock
[watcher:shop]
cmd={command}
numprocesses={accounts}
"""
_VERSIONS: Final = """\
import circus, supervisor, uvloop
from importlib.metadata import version
print(f"supervisord {version('supervisor')}, circus {version('circus')}")
"""


class Kind(NamedTuple):
    """One peer."""

    name: str
    config: str
    daemon: tuple[str, ...]
    """Program and words before the configuration file."""
    status: tuple[str, ...]


def kinds(folder: Path) -> tuple[Kind, ...]:
    """Return both peers; their sockets will be in `folder`."""
    bin_dir = ENVIRONMENT / "bin"
    config = str(folder / "peer.ini")
    return (
        Kind(
            "supervisord",
            _SUPERVISORD,
            (str(bin_dir / "supervisord"), "-c", config),
            (str(bin_dir / "supervisorctl"), "-c", config, "status"),
        ),
        Kind(
            "circus",
            _CIRCUS,
            (str(bin_dir / "circusd"), "--log-output", str(folder / "daemon.log"), config),
            (str(bin_dir / "circusctl"), "--endpoint", f"ipc://{folder}/c.sock", "status"),
        ),
    )


def install() -> str:
    """Have both peers in an environment of their own; return their versions. Raises `Broken`."""
    python = str(ENVIRONMENT / "bin" / "python")
    versions = _outside([python, "-c", _VERSIONS])
    if versions is None:
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        _outside([python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *WANTED])
        versions = _outside([python, "-c", _VERSIONS])
    if versions is None:
        raise Broken(f"pip could not install {' '.join(WANTED)}")
    return versions


def _outside(words: Sequence[str]) -> str | None:
    """Run a program of the peers' environment; return what it printed, None if it failed or is not there."""
    try:
        done = subprocess.run(words, env=OUTSIDE, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


class Peer:
    """One peer's daemon and its workers. As a context manager: whatever it started is gone afterwards."""

    def __init__(self, kind: Kind, folder: Path, accounts: int) -> None:
        self._kind = kind
        self._accounts = accounts
        self._daemon: subprocess.Popen[bytes] | None = None
        self._started: list[psutil.Process] = []
        self._hello = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._hello.bind(str(folder / "hello"))
        self._hello.settimeout(1.0)
        command = shlex.join([str(ENVIRONMENT / "bin" / "python"), str(WORKER), str(folder / "hello")])
        text = kind.config.format(folder=folder, command=command, accounts=accounts, files=accounts * 8 + 1024)
        (folder / "peer.ini").write_text(text)

    def start(self) -> float:
        """Start the daemon; return the seconds until every worker's loop runs. Raises `Broken`."""
        self._started.clear()
        began = time.monotonic()
        self._daemon = subprocess.Popen(
            self._kind.daemon,
            env=OUTSIDE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=tied_with_many_files,
        )
        for _ in range(self._accounts):
            self.next_worker()
        return time.monotonic() - began

    def next_worker(self) -> psutil.Process:
        """Wait for the next worker whose loop runs. Raises `Broken`."""
        assert self._daemon is not None
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._started.append(psutil.Process(int(self._hello.recv(32))))
            except TimeoutError:
                if self._daemon.poll() is not None:
                    raise Broken(f"{self._kind.name} ended with exit code {self._daemon.returncode}") from None
                if time.monotonic() > end:
                    raise Broken(f"{self._kind.name}: no worker came for {PATIENCE:g} s") from None
            else:
                return self._started[-1]

    @property
    def workers(self) -> list[psutil.Process]:
        """The workers that live."""
        return alive(self._started)

    @property
    def pid(self) -> int:
        """The daemon's pid."""
        assert self._daemon is not None
        return self._daemon.pid

    def replace(self, victim: psutil.Process) -> float:
        """Kill a worker; return the seconds until its replacement's loop runs. Raises `Broken`."""
        began = time.monotonic()
        victim.kill()
        self.next_worker()
        return time.monotonic() - began

    def status(self) -> float:
        """Run its status command; return the seconds that it took. Raises `Broken`."""
        began = time.monotonic()
        if _outside(self._kind.status) is None:
            raise Broken(f"{self._kind.name}: its status command failed")
        return time.monotonic() - began

    def stop(self, number: signal.Signals) -> float:
        """End the daemon by a signal; return the seconds until its exit. Raises `Broken`."""
        assert self._daemon is not None
        began = time.monotonic()
        self._daemon.send_signal(number)
        ended = wait_exit(self.pid, PATIENCE)
        self._daemon.wait()
        return ended - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the daemon, its workers, and those that have not said hello yet."""
        left = list(self._started)
        if self._daemon is not None and self._daemon.poll() is None:
            left += psutil.Process(self.pid).children(recursive=True)
            self._daemon.kill()
            self._daemon.wait()
        kill(left)
        self._hello.close()


def measure(folder: Path, sheet: Sheet, runs: int, status_calls: int, progress: Callable[[str], None]) -> None:
    """Measure both peers; where that can't be done, note why and go on."""
    names = [kind.name for kind in kinds(folder)]
    sheet.columns += names
    try:
        progress("peers: installing")
        sheet.note(f"peers: {install()}, default settings, plain workers that start uvloop and sleep")
        for run in range(runs):
            for number, name in enumerate(names):
                progress(f"peers: {name}, run {run + 1} of {runs}")
                own = folder / f"{name}{run}"
                own.mkdir()
                _measure(kinds(own)[number], own, sheet, status_calls)
    except (Broken, OSError, subprocess.CalledProcessError, psutil.Error) as error:
        sheet.note(f"peers: not measured to the end: {error}")
        for name in names:
            sheet.skip("see below", *KEYS, column=name)


def _measure(kind: Kind, folder: Path, sheet: Sheet, status_calls: int) -> None:
    def add(key: str, *samples: float) -> None:
        sheet.add(key, *samples, column=kind.name)

    with Peer(kind, folder, sheet.accounts) as peer:
        add("start", peer.start())
        time.sleep(1.5)  # supervisord believes in a worker after one second
        sizes = [size for size in (pss_mib(worker.pid) for worker in peer.workers) if size is not None]
        if sizes:
            add("memory", statistics.mean(sizes))
            add("memory_p95", percentile(sizes, 95))
        add("supervisor_rss", rss_mib(peer.pid))
        add("status", *(peer.status() * 1000 for _ in range(status_calls)))
        for victim in random.sample(peer.workers, min(KILLS, sheet.accounts)):
            time.sleep(random.uniform(*BREATH))
            add("running", peer.replace(victim) * 1000)
        add("stop", peer.stop(signal.SIGTERM))
        peer.start()
        peer.stop(signal.SIGKILL)
        add("orphans_supervisor", len(left(peer.workers, 1.0)))
