"""A machine for scripts/xyfleet and scripts/test: a checkout, a PATH of its own, stand-ins for Python and tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BOOTSTRAP = Path("scripts", "lib", "bootstrap")
TOOLS = [
    *("cat", "chmod", "cksum", "cp", "date", "dirname", "flock", "grep", "id", "mkdir", "mktemp", "readlink"),
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
"-BEsS -m scripts.lib.bootstrap.environment")
    if [ -n "${STANDIN_NO_PIP-}" ]; then echo "failed $STANDIN_NO_PIP"; exit 1; fi
    mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
"-m pip config") echo "${STANDIN_PIP_CONFIG-}" ;;
"-m pip install")
    echo "PIP $*" >>"$STANDIN_LOG"
    if [ -n "${STANDIN_PIP_STARTED-}" ]; then touch "$STANDIN_PIP_STARTED"; sleep 60; fi
    echo "${STANDIN_PIP_SAYS-Successfully installed}"
    exit "${STANDIN_PIP_CODE-0}" ;;
*/layout.py*)
    mkdir -p "$2/.venv/ns"
    printf '#!/bin/sh\\nprintf "<%%s>" "$@"\\nif [ -n "$STANDIN_WAITS" ]; then cat; fi\\n' >"$2/.venv/bin/xyfleet"
    printf '#!/bin/sh\\n' >"$2/.venv/bin/lint-imports"
    chmod +x "$2/.venv/bin/xyfleet" "$2/.venv/bin/lint-imports" ;;
-m*) case "$*" in *"${STANDIN_FAILS-nothing}"*) exit 1 ;; esac ;;
esac
"""


class Machine:
    """A checkout and a PATH of its own: only the tools that a small machine has, and stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "checkout"
        self.bin = folder / "bin"
        self.log = folder / "calls"
        shutil.copytree(REPOSITORY / BOOTSTRAP, self.tree / BOOTSTRAP)
        for name in ("test", "xyfleet"):
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

    def python(self, name: str = "python3.11", word: str = "ok", version: str = "3.11.9", pip: str = "bundled") -> Path:
        """Put a stand-in for Python there, whose probe answers `word`, and that pip is `bundled` or in the `index`."""
        return self.program(name, STANDIN.replace("@ANSWER@", f"{word} {version} {pip} {self.bin / name}"))

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
        text = f'root="{self.tree}"; . "$root/scripts/lib/bootstrap/bootstrap.sh"; {commands}'
        return run([str(self.bin / "sh"), "-c", text], self.environment(language))


def run(command: list[str], environment: Mapping[str, str]) -> Result:
    """Run a command without standard input."""
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=50
    )


def in_words(result: Result, language: str) -> bool:
    """Tell whether it failed with one sentence in this language and nothing else."""
    lines = result.stderr.strip().splitlines()
    chinese = re.search(r"[\u4e00-\u9fff]", lines[-1]) is not None
    return result.returncode == 1 and lines[-1].startswith("xyfleet: ") and chinese == (language == "zh")
