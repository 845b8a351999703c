"""The machine: built by debootstrap from this host's mirror, with a user, the project and pip's settings. Shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from scripts.lib.bootstrap.pip_settings import Settings, read_settings
from scripts.lib.fresh_machine.jail import BUILD, Failed, isolated, tail

PACKAGES = "python3,ca-certificates"
USER = "visitor"
HOME = f"/home/{USER}"
PROJECT = f"{HOME}/xyfleet"
SCRIPTS = Path("/usr/share/debootstrap/scripts")

HANDED_IN = ("index-url", "extra-index-url", "trusted-host", "cert", "proxy", "timeout", "default-timeout", "retries")
"""Of pip's settings here: those without which no package could be had there."""

CERTIFICATES = "/etc/ssl/certs/of-the-host.pem"
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


def run(what: str, *command: str | Path) -> str:
    """Run a command on the host; return what it printed, or raise Failed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{what} ended with {done.returncode}\n{tail(done.stderr)}")
    return done.stdout


def mirror() -> str:
    """Return the address that this host's own apt takes Debian from."""
    listed = run("apt-get indextargets", "apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)")
    for line in listed.splitlines():
        label, _, address = line.partition(" ")
        if label == "Debian":
            return address
    raise Failed("apt on this machine knows no Debian mirror: run apt-get update, or give --mirror")


def build(suite: str, root: Path, source: str) -> None:
    """Make the root file system: what Debian calls minimal, Python and certificates."""
    # A suite that is younger than debootstrap is built like all of them.
    script = [] if (SCRIPTS / suite).exists() else [SCRIPTS / "sid"]
    words: list[str | Path] = [
        "debootstrap",
        "--variant=minbase",
        f"--include={PACKAGES}",
        suite,
        root,
        source,
        *script,
    ]
    isolated(f"debootstrap {suite}", BUILD, words, os.environ)
    shutil.rmtree(root / "var" / "cache" / "apt" / "archives")
    (root / "etc" / "resolv.conf").unlink(missing_ok=True)
    (root / "etc" / "hosts").write_text(HOSTS)


def pack(root: Path, file: Path) -> None:
    """Write the root file system as a tar."""
    run("tar", "tar", "--numeric-owner", "--one-file-system", "-C", root, "-cf", file, ".")


def pip_conf(settings: Settings) -> str:
    """Return a file of those settings that hold on another machine too."""
    lines = ["[global]"]
    for name in HANDED_IN:
        words = [word for word in settings.get(name, "").split() if not word.startswith("file:")]
        if name == "cert" and words:
            words = [CERTIFICATES]
        if words:
            lines.append(f"{name} = {' '.join(words)}")
    return "\n".join(lines) + "\n"


def hand_in(root: Path) -> None:
    """Give it the host's way to the network: name servers, and what pip needs. Nothing of it is in the project."""
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    settings = read_settings()
    (root / "etc" / "pip.conf").write_text(pip_conf(settings), encoding="utf-8")
    if "cert" in settings:
        shutil.copy(settings["cert"], root / CERTIFICATES.lstrip("/"))


def settle(root: Path, checkout: Path) -> None:
    """Add the user, who owns a clone of what is committed here and nothing else."""
    run("useradd", "chroot", root, "useradd", "--create-home", "--shell", "/bin/sh", USER)
    place = root / PROJECT.lstrip("/")
    run("git clone", "git", "clone", "--quiet", "--depth", "1", checkout.as_uri(), place)
    run("chown", "chroot", root, "chown", "-R", f"{USER}:", HOME)
