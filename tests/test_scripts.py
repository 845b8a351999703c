"""scripts/xyfleet, scripts/test and their bootstrap, run for real with stand-ins for Python and the system's tools."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from xyfleet.worker.version import VERSION

REPOSITORY = Path(__file__).parents[1]
SCRIPTS = ("bootstrap.sh", "constraints.txt", "layout.py", "python.sh", "test", "xyfleet")
TOOLS = [
    *("cat", "chmod", "cksum", "cp", "date", "dirname", "flock", "grep", "id", "mkdir", "readlink"),
    *("rm", "rmdir", "sed", "sh", "sleep", "tail", "touch", "uname"),
]
Result = subprocess.CompletedProcess[str]
LANGUAGES = {"en": "C.UTF-8", "zh": "zh_CN.UTF-8"}

STANDIN = """#!/bin/sh
# Stands in for Python: answers the probe, "makes" environments, "installs" what the test says.
if [ "$1" = -I ]; then shift; fi
echo "$1 $2 $3 $4 $5 $6 $7 $8 $9" | grep -v '^ *$' | sed 's/  *$//' >>"$STANDIN_LOG"
case "$1 $2 $3" in
-c*) echo "@ANSWER@" ;;
"-m venv "*) sleep "${STANDIN_PAUSE-0}"; mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
"-m pip config") echo "${STANDIN_PIP_CONFIG-}" ;;
"-m pip install")
    echo "PIP $*" >>"$STANDIN_LOG"
    if [ -n "${STANDIN_PIP_STARTED-}" ]; then touch "$STANDIN_PIP_STARTED"; sleep 60; fi
    echo "${STANDIN_PIP_SAYS-Successfully installed}"
    exit "${STANDIN_PIP_CODE-0}" ;;
*/layout.py*)
    mkdir -p "$2/.venv/ns"
    printf '#!/bin/sh\\nprintf "<%%s>" "$@"\\nif [ -n "$STANDIN_WAITS" ]; then cat; fi\\n' >"$2/.venv/bin/xyfleet"
    chmod +x "$2/.venv/bin/xyfleet" ;;
-m*) case "$*" in *"${STANDIN_FAILS-nothing}"*) exit 1 ;; esac ;;
esac
"""


class Machine:
    """A checkout and a PATH of its own: only the tools that a small machine has, and stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "checkout"
        self.bin = folder / "bin"
        self.log = folder / "calls"
        (self.tree / "scripts").mkdir(parents=True)
        for name in SCRIPTS:
            shutil.copy(REPOSITORY / "scripts" / name, self.tree / "scripts")
        shutil.copy(REPOSITORY / "pyproject.toml", self.tree)
        self.bin.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found is not None, name
            (self.bin / name).symlink_to(found)
        self.log.touch()

    def program(self, name: str, text: str) -> Path:
        """Put a program on the machine's PATH."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def python(self, name: str = "python3.11", word: str = "ok", version: str = "3.11.9") -> Path:
        """Put a stand-in for Python there, whose probe answers `word`."""
        return self.program(name, STANDIN.replace("@ANSWER@", f"{word} {version} {self.bin / name}"))

    def environment(self, language: str = "en", **extra: str) -> dict[str, str]:
        """Return the environment that scripts get."""
        base = {"PATH": str(self.bin), "HOME": str(self.tree), "LANG": LANGUAGES[language]}
        return base | {"STANDIN_LOG": str(self.log)} | extra

    def start(self, *arguments: str, script: str = "xyfleet", language: str = "en", **extra: str) -> Result:
        """Run a script to its end."""
        command = [str(self.tree / "scripts" / script), *arguments]
        return run(command, self.environment(language, **extra))

    def background(self, **extra: str) -> subprocess.Popen[str]:
        """Run scripts/xyfleet in a process group of its own, reading its standard input from the test."""
        pipe = subprocess.PIPE
        command = [str(self.tree / "scripts" / "xyfleet")]
        environment = self.environment(**extra)
        return subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def calls(self, beginning: str) -> list[str]:
        """Return the calls of stand-ins that begin so."""
        return [line for line in self.log.read_text().splitlines() if line.startswith(beginning)]

    def source(self, commands: str, language: str = "en") -> Result:
        """Run commands in a shell that has read bootstrap.sh."""
        text = f'root="{self.tree}"; . "$root/scripts/bootstrap.sh"; {commands}'
        return run([str(self.bin / "sh"), "-c", text], self.environment(language))


def run(command: list[str], environment: Mapping[str, str]) -> Result:
    """Run a command without standard input."""
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=50
    )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine without any Python."""
    return Machine(tmp_path)


def in_words(result: Result, language: str) -> bool:
    """Tell whether it failed with one sentence in this language and nothing else."""
    lines = result.stderr.strip().splitlines()
    chinese = re.search(r"[\u4e00-\u9fff]", lines[-1]) is not None
    return result.returncode == 1 and lines[-1].startswith("xyfleet: ") and chinese == (language == "zh")


# What starts


def test_first_start_installs_and_runs(machine: Machine) -> None:
    """The first start makes the environment, says so, and runs xyfleet with the arguments as they were given."""
    machine.python()

    result = machine.start("start", "my shops.yml", "", "*")

    assert result.stdout == "<start><my shops.yml><><*>"
    assert result.returncode == 0
    assert "first start: making an environment with Python 3.11.9" in result.stderr
    assert "ready" in result.stderr


def test_second_start_runs_no_python(machine: Machine) -> None:
    """Once all is installed, a start is silent and calls neither Python nor pip."""
    machine.python()
    machine.start()
    machine.log.write_text("")

    result = machine.start("status")

    assert (result.returncode, result.stdout, result.stderr) == (0, "<status>", "")
    assert machine.log.read_text() == ""


@pytest.mark.timing
def test_second_start_adds_little(machine: Machine) -> None:
    """A start with everything in place adds far less than 0.3 s."""
    machine.python()
    machine.start()

    took = []
    for _ in range(7):
        began = time.perf_counter()
        machine.start("status")
        took.append(time.perf_counter() - began)

    assert statistics.median(took) < 0.1


def test_runs_through_a_link_from_anywhere(machine: Machine, tmp_path: Path) -> None:
    """A link to the script works from another folder, and relative paths stay the caller's."""
    machine.python()
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "xyfleet"
    link.symlink_to("../checkout/scripts/xyfleet")
    twice = tmp_path / "fleet"
    twice.symlink_to(link)

    done = subprocess.run(
        [twice, "shops.yml"], env=machine.environment(), cwd="/", capture_output=True, text=True, check=False
    )

    assert done.stdout == "<shops.yml>"


def test_chinese_is_spoken_where_it_is_asked_for(machine: Machine) -> None:
    """The locale chooses the language of every line."""
    machine.python()

    lines = machine.start(language="zh").stderr.splitlines()

    assert len(lines) == 3
    assert all(re.search(r"[\u4e00-\u9fff]", line) for line in lines)


def test_locale_that_cannot_show_the_texts_gets_english(machine: Machine) -> None:
    """A GBK terminal gets English, because the Chinese texts are UTF-8."""
    result = machine.start(LC_ALL="zh_CN.GBK")

    assert in_words(result, "en")


# Which Python


def test_broken_shim_is_skipped_in_silence(machine: Machine) -> None:
    """A program named python3.13 that does not run (a pyenv shim) is passed over, unmentioned."""
    machine.program("python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    machine.python("python3.12", version="3.12.1")

    result = machine.start()

    assert result.returncode == 0
    assert "pyenv" not in result.stderr
    assert "Python 3.12.1" in result.stderr


def test_newest_complete_python_wins(machine: Machine) -> None:
    """A newer Python without venv is passed over for an older one that has it."""
    machine.python("python3.13", word="novenv", version="3.13.0")
    machine.python("python3.12", version="3.12.1")
    machine.python("python3.11")

    result = machine.start()

    assert "Python 3.12.1" in result.stderr


def test_plain_python3_is_good_enough(machine: Machine) -> None:
    """A machine whose Python is only named python3 works."""
    machine.python("python3", version="3.13.2")

    assert machine.start().returncode == 0


def test_given_python_is_taken(machine: Machine, tmp_path: Path) -> None:
    """XYFLEET_PYTHON goes before all names, and another value of it later makes the environment anew."""
    machine.python("python3.13", version="3.13.0")
    own = machine.python("own", version="3.11.5")
    machine.start()

    result = machine.start(XYFLEET_PYTHON=str(own))
    again = machine.start(XYFLEET_PYTHON=str(own))
    without = machine.start()

    assert f"-m venv {machine.tree}/.venv" in machine.calls("-m venv")[0]
    assert len(machine.calls("-m venv")) == 2
    assert "making it anew" in result.stderr
    assert (again.stderr, without.stderr) == ("", "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_given_python_that_does_not_run(machine: Machine, language: str) -> None:
    """A wrong XYFLEET_PYTHON is named; no other Python is taken behind the user's back."""
    machine.python()

    result = machine.start(language=language, XYFLEET_PYTHON="/nowhere/python")

    assert in_words(result, language)
    assert "XYFLEET_PYTHON=/nowhere/python" in result.stderr


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("tool", "text", "remedy"),
    [
        ("apt-get", "", "apt install python3.12 python3.12-venv"),
        ("dnf", "", "dnf install python3.12"),
        ("yum", "", "yum install python3.11"),
        ("apk", "", "apk add python3"),
        ("pacman", "", "pacman -S python"),
        ("zypper", "", "zypper install python311"),
        ("brew", "", "brew install python@3.13"),
        ("true", "", "pyenv install 3.12"),
    ],
)
def test_no_python(machine: Machine, tool: str, text: str, remedy: str, language: str) -> None:
    """Without any Python the sentence holds this system's own install line."""
    machine.program(tool, "#!/bin/sh\n")
    machine.program("apt-cache", '#!/bin/sh\n[ "$2" = python3.12 ]\n')

    result = machine.start(language=language)

    assert in_words(result, language)
    assert len(result.stderr.splitlines()) == 1
    assert remedy in result.stderr


def test_no_python_in_an_old_release(machine: Machine) -> None:
    """Where apt has no Python that is new enough, deadsnakes and pyenv are named."""
    machine.program("apt-get", "#!/bin/sh\n")
    machine.program("apt-cache", "#!/bin/sh\nexit 100\n")

    result = machine.start()

    assert "ppa:deadsnakes/ppa" in result.stderr
    assert "pyenv install" in result.stderr


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("word", "version", "says"),
    [
        ("old", "3.9.2", "3.9.2"),
        ("new", "3.14.0", "3.14.0"),
        ("lacks-ssl", "3.12.1", "ssl"),
        ("kernel", "3.12.1", "pidfd"),
        ("novenv", "3.12.1", "apt install python3.12-venv"),
    ],
)
def test_unfit_python(machine: Machine, word: str, version: str, says: str, language: str) -> None:
    """A Python that will not do is named with what is wrong and what to install."""
    machine.python("python3", word, version)
    machine.program("apt-get", "#!/bin/sh\n")
    machine.program("apt-cache", "#!/bin/sh\n")

    result = machine.start(language=language)

    assert in_words(result, language)
    assert says in result.stderr
    assert not (machine.tree / ".venv").exists()


def test_the_nearer_miss_is_told(machine: Machine) -> None:
    """Of a Python without venv and an old one, the first is the one to mend."""
    machine.python("python3.11", "novenv")
    machine.python("python3", "old", "3.6.15")

    assert "no venv module" in machine.start().stderr


def test_probe_accepts_the_python_of_these_tests(machine: Machine) -> None:
    """The probe's real answer is `ok`, the version, and the interpreter's real path."""
    result = machine.source(f'. "$root/scripts/python.sh"; ask "{sys.executable}"; echo "$word|$version|$python"')

    version = ".".join(map(str, sys.version_info[:3]))
    assert result.stdout.strip() == f"ok|{version}|{os.path.realpath(sys.executable)}"


# Where


def test_folder_that_is_not_writable(machine: Machine) -> None:
    """In a folder of somebody else the sentence says whose it should be."""
    with tempfile.TemporaryDirectory() as outside:
        other = Machine(Path(outside))
        other.python()
        for folder in (Path(outside), other.tree, other.bin, other.tree / "scripts"):
            folder.chmod(0o555)
        user = 65534 if os.getuid() == 0 else None
        command = [other.tree / "scripts" / "xyfleet"]
        done = subprocess.run(
            command,
            env=other.environment() | {"STANDIN_LOG": "/dev/null"},
            user=user,
            group=user,
            extra_groups=[] if user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        other.tree.chmod(0o755)

    assert done.returncode == 1
    assert f"cannot write in {other.tree}" in done.stderr
    assert "chown" in done.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_windows_drive_under_wsl(machine: Machine, language: str) -> None:
    """Under WSL on a Windows drive the user is sent to the Linux home."""
    machine.program("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo 5.15.90.1-microsoft-standard-WSL2\n')

    result = machine.source("root=/mnt/c/Users/me/xyfleet; check_place", language)

    assert in_words(result, language)
    assert "cp -r '/mnt/c/Users/me/xyfleet' ~/" in result.stderr


def test_wsl_home_is_fine(machine: Machine) -> None:
    """Under WSL, but in the Linux home, nothing is refused."""
    machine.program("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo 5.15.90.1-microsoft-standard-WSL2\n')
    machine.python()

    assert machine.start().returncode == 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("system", "release", "says"),
    [("Linux", "3.10.0-1160.el7.x86_64", "3.10.0"), ("MINGW64_NT-10.0", "3.4.9", "wsl --install")],
)
def test_system_that_cannot_do_it(machine: Machine, system: str, release: str, says: str, language: str) -> None:
    """A kernel without pidfd, or Windows itself, is refused before anything is installed."""
    machine.python()
    machine.program("uname", f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {release}\n')

    result = machine.start(language=language)

    assert in_words(result, language)
    assert says in result.stderr
    assert machine.calls("-m") == []


# Half-made, changed, moved


def test_half_made_environment_is_made_anew(machine: Machine) -> None:
    """What a killed `venv` left behind is removed."""
    machine.python()
    (machine.tree / ".venv" / "bin").mkdir(parents=True)
    rest = machine.tree / ".venv" / "rest"
    rest.touch()

    result = machine.start()

    assert result.returncode == 0
    assert "making it anew" in result.stderr
    assert not rest.exists()


def test_killed_install_is_made_anew(machine: Machine, tmp_path: Path) -> None:
    """After a SIGKILL in the middle of an install the next start makes the environment anew."""
    machine.python()
    started = tmp_path / "started"
    first = machine.background(STANDIN_PIP_STARTED=str(started))
    while not started.exists():
        assert first.poll() is None
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

    result = machine.start("status")

    assert result.stdout == "<status>"
    assert "making it anew" in result.stderr


def test_change_of_requirements_installs_again(machine: Machine) -> None:
    """Another pyproject.toml or constraint is installed into the same environment."""
    machine.python()
    machine.start()
    with (machine.tree / "scripts" / "constraints.txt").open("a") as file:
        file.write("# changed\n")

    result = machine.start()
    silent = machine.start()

    assert "installing" in result.stderr
    assert len(machine.calls("-m venv")) == 1
    assert silent.stderr == ""


def test_moved_folder_is_made_anew(machine: Machine, tmp_path: Path) -> None:
    """An environment names its folder in its scripts, so a copy of the folder gets its own."""
    machine.python()
    machine.start()
    machine.tree = machine.tree.rename(tmp_path / "moved")

    result = machine.start()

    assert "making it anew" in result.stderr
    assert result.returncode == 0


def test_lost_interpreter_is_made_anew(machine: Machine) -> None:
    """When the Python below was removed or upgraded away, the environment is made anew."""
    machine.python()
    machine.start()
    python = machine.tree / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")

    assert "making it anew" in machine.start().stderr


# Two at once


@pytest.mark.parametrize("tool", ["flock", "mkdir"])
def test_two_at_once_make_one_environment(machine: Machine, tool: str) -> None:
    """Of two first starts at once one installs and the other waits and says so, with flock and without."""
    machine.python()
    if tool == "mkdir":
        (machine.bin / "flock").unlink()
    both = [machine.background(STANDIN_PAUSE="0.5") for _ in range(2)]

    errors = [process.communicate()[1] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert len(machine.calls("-m venv")) == 1
    assert sum("waiting for it" in error for error in errors) == 1
    assert not (machine.tree / ".venv.lock.d").exists()


def test_lock_of_a_dead_start_is_taken_over(machine: Machine) -> None:
    """Without flock, the lock of a start that was killed holds nobody up."""
    machine.python()
    (machine.bin / "flock").unlink()
    dead = subprocess.Popen(["true"])
    dead.wait()
    lock = machine.tree / ".venv.lock.d"
    lock.mkdir()
    (lock / "pid").write_text(f"{dead.pid}\n")

    assert machine.start().returncode == 0
    assert not lock.exists()


def test_running_xyfleet_does_not_hold_the_lock(machine: Machine) -> None:
    """A fleet that runs for days leaves the lock to others."""
    machine.python()
    fleet = machine.background(STANDIN_WAITS="yes")
    assert fleet.stdout is not None
    assert fleet.stdout.read(2) == "<>"

    with (machine.tree / ".venv.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fleet.communicate("")

    assert fleet.returncode == 0


# pip


BROKEN = "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError': /simple/aiohttp/"
LACKING = "ERROR: No matching distribution found for msgspec>=0.19"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("says", "remedy"),
    [
        (f"{BROKEN}\n{LACKING}", "pip config set global.index-url"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "pip config set global.index-url"),
        (LACKING, "msgspec"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "300 MB"),
        ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'", "chown"),
        ("ERROR: Failed building wheel for uvloop", "python3-dev"),
        ("ERROR: something else entirely", "something else entirely"),
    ],
)
def test_pip_failure_is_explained(machine: Machine, says: str, remedy: str, language: str) -> None:
    """Each way in which an install fails has its sentence and its remedy."""
    machine.python()

    result = machine.start(language=language, STANDIN_PIP_SAYS=says, STANDIN_PIP_CODE="1")

    assert in_words(result, language)
    assert remedy in result.stderr.splitlines()[-1]
    assert result.stdout == ""


def test_failed_download_is_taken_up_again(machine: Machine) -> None:
    """After a failure of the network the environment is kept, and the next start only installs."""
    machine.python()
    machine.start(STANDIN_PIP_SAYS=BROKEN, STANDIN_PIP_CODE="1")

    result = machine.start("status")

    assert result.stdout == "<status>"
    assert len(machine.calls("-m venv")) == 1


def test_stalled_download_ends_and_the_index_is_the_users(machine: Machine) -> None:
    """Waiting is bounded, and no index, proxy or certificate is chosen for the user."""
    machine.python()
    machine.start()

    (call,) = machine.calls("PIP")

    assert "--timeout 20 --retries 3" in call
    assert not re.search(r"index|find-links|proxy|trusted|cert", call.replace(str(machine.tree), ""))


def test_patience_of_the_user_is_kept(machine: Machine) -> None:
    """A timeout and a number of retries in the user's pip settings hold."""
    machine.python()
    machine.start(STANDIN_PIP_CONFIG=":env:.default-timeout='180'\nglobal.retries='9'")

    (call,) = machine.calls("PIP")

    assert "--timeout" not in call
    assert "--retries" not in call


def test_downloads_are_shown(machine: Machine) -> None:
    """Each download is a short line, so that a slow one does not look like a hang."""
    machine.python()
    lines = "  Downloading https://index/x/uvloop-0.23.0-cp311-cp311-manylinux.whl (4.0 MB)\n  Using cached y"

    result = machine.start(STANDIN_PIP_SAYS=lines)

    assert "  downloading uvloop 0.23.0 (4.0 MB)\n" in result.stderr
    assert "Using cached" not in result.stderr


# scripts/test


def test_checks_go_on_after_a_failure(machine: Machine) -> None:
    """A failed step is named at the end and the exit code tells it; the later steps have run all the same."""
    machine.python()

    result = machine.start(script="test", STANDIN_FAILS="ruff check")

    steps = re.findall(r"^== (.*)$", result.stdout, re.MULTILINE)
    tools = [line.split()[1] for line in machine.calls("-m") if line.split()[1] not in {"venv", "pip"}]
    assert tools == ["ruff", "ruff", "mypy", "mypy", "pytest", "pytest"]
    assert "lint: FAILED" in steps
    assert steps[-1] == "FAILED: lint"
    assert any(re.fullmatch(r"\d+ s in all", step) for step in steps)
    assert result.returncode == 1


def test_all_checks_well(machine: Machine) -> None:
    """When every step passes the exit code is 0."""
    machine.python()

    result = machine.start(script="test")

    assert result.returncode == 0
    assert "all is well" in result.stdout


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


# The real thing


@pytest.fixture
def layout() -> ModuleType:
    """Return scripts/layout.py as a module."""
    spec = importlib.util.spec_from_file_location("layout", REPOSITORY / "scripts" / "layout.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", ["plain", "my shops", "x" * 150])
def test_console_script_runs(layout: ModuleType, tmp_path: Path, folder: str) -> None:
    """The console script runs from a folder with a blank in its name, and from one too long for a first line."""
    python = tmp_path / folder / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_text(layout.console_script(python, "builtins", "print"))
    script.chmod(0o755)

    done = run([str(script)], os.environ)

    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_real_bootstrap(tmp_path: Path) -> None:
    """With a real Python, in a folder with a blank and Chinese in its name: `--version` runs, new files are seen."""
    tree = tmp_path / "我的 店铺"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("scripts", "supervisor", "worker"):
        shutil.copytree(REPOSITORY / name, tree / name, ignore=ignore)
    settings = (REPOSITORY / "pyproject.toml").read_text()
    without = re.sub(r"^dependencies = \[.*?^\]", "dependencies = []", settings, flags=re.DOTALL | re.MULTILINE)
    (tree / "pyproject.toml").write_text(without)
    environment = dict(os.environ) | {"XYFLEET_PYTHON": sys.executable, "LANG": "C.UTF-8", "PIP_NO_INDEX": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))

    done = run([str(tree / "scripts" / "xyfleet"), "--version"], environment)
    (tree / "worker" / "novel.py").write_text("print('seen')\n")
    imported = run([str(tree / ".venv" / "bin" / "python"), "-m", "xyfleet.worker.novel"], os.environ)

    assert VERSION in done.stdout, done.stderr
    assert imported.stdout == "seen\n", imported.stderr
