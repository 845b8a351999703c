"""Lay out the development environment: links, path file, console script, requirements. Shell (writes into .venv).

Run by `bootstrap.sh` with the environment's own Python: `layout.py ROOT run|dev`. The packages are reached as
`xyfleet.supervisor`, `xyfleet.worker` and `xyfleet.handler` through links to their folders, so that new files are seen
at once, by Python as by mypy and coverage (setuptools' own editable modes miss new files or hide from mypy).
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tomllib
from pathlib import Path

PACKAGES = ("handler", "supervisor", "worker")

LONGEST_SHEBANG = 127
"""Older kernels cut a script's first line after this many bytes."""


def link_packages(root: Path) -> None:
    """Make `.venv/ns/xyfleet/` with a link to each package, and the path file that puts `.venv/ns` on `sys.path`."""
    namespace = root / ".venv" / "ns" / "xyfleet"
    namespace.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        link = namespace / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..", "..", "..", name))
    site = Path(sysconfig.get_path("purelib"))
    (site / "xyfleet.pth").write_text(os.path.relpath(namespace.parent, site) + "\n")


def console_script(python: Path, module: str, function: str) -> str:
    """Return the text of a script that runs `function` of `module`."""
    shebang = f"#!{python}\n"
    if " " in shebang or len(os.fsencode(shebang)) > LONGEST_SHEBANG:
        # /bin/sh reads the second line as a command; to Python it is a string.
        shebang = f"""#!/bin/sh\n'''exec' "{python}" "$0" "$@"\n' '''\n"""
    return f"{shebang}import sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n"


def install_scripts(root: Path, scripts: dict[str, str]) -> None:
    """Write the console scripts of `[project.scripts]` into `.venv/bin`."""
    folder = root / ".venv" / "bin"
    for name, target in scripts.items():
        script = folder / name
        script.write_text(console_script(folder / "python", *target.split(":")))
        script.chmod(0o755)


def main(root: Path, kind: str) -> None:
    """Do all of it, and write `requirements.txt` for pip: of `kind` `dev` the development tools too."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    requirements = list(settings["project"]["dependencies"])
    if kind == "dev":
        requirements += settings["dependency-groups"]["dev"]
    link_packages(root)
    install_scripts(root, settings["project"]["scripts"])
    (root / ".venv" / ".xyfleet" / "requirements.txt").write_text("\n".join(requirements) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
