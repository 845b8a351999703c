"""Where Python comes without venv or ensurepip: pip itself is taken from the index that pip's settings name."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine import LANGUAGES, Machine, Result, in_words, run
from support.pip_index import PEM, PipIndex, checkout, installed_pip, whole_checkout
from xyfleet.worker.version import VERSION

MODULE = "scripts.lib.bootstrap.environment"
FETCH = """
from scripts.lib.bootstrap import pip_settings, pip_wheel
print(len(pip_wheel.fetch(pip_settings.read_settings())), "bytes")
"""


@pytest.fixture
def index() -> Iterator[PipIndex]:
    """Give an index that has pip."""
    with PipIndex() as running:
        yield running


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a checkout with the bootstrap in it."""
    return checkout(tmp_path / "checkout")


def python(tree: Path, arguments: list[str], variables: dict[str, str]) -> Result:
    """Run Python as the bootstrap does, with no settings of pip's but these variables."""
    environment = {"HOME": str(tree), "PIP_CONFIG_FILE": os.devnull} | variables
    command = [sys.executable, "-BEsS", *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def make(tree: Path, **variables: str) -> Result:
    """Make `.venv` of a checkout."""
    return python(tree, ["-m", MODULE, str(tree / ".venv")], variables)


def fetch(tree: Path, **variables: str) -> None:
    """Only fetch the wheel, and check that it came."""
    done = python(tree, ["-c", FETCH], variables)
    assert done.stdout == f"{len(installed_pip()[1])} bytes\n", done.stderr


def pip_works(tree: Path) -> bool:
    """Tell whether the environment has a pip of its own."""
    done = run([str(tree / ".venv" / "bin" / "python"), "-I", "-m", "pip", "--version"], os.environ)
    return str(tree) in done.stdout


def incomplete_python(folder: Path) -> Path:
    """Return a Python whose standard library lacks ensurepip and venv, as Debian's does."""
    own = Path(os.__file__).parent
    library = folder / "base" / "lib" / own.name
    library.mkdir(parents=True)
    (folder / "base" / "bin").mkdir()
    (folder / "bin").mkdir()
    for entry in own.iterdir():
        if entry.name not in {"ensurepip", "venv", "site-packages"}:
            (library / entry.name).symlink_to(entry)
    (folder / "pyvenv.cfg").write_text(f"home = {folder / 'base' / 'bin'}\n")
    python = folder / "bin" / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    return python


# It works


def test_whole_bootstrap(tmp_path: Path, index: PipIndex) -> None:
    """The first start on such a Python needs the index only, shows no password, and writes to .venv only."""
    tree = whole_checkout(tmp_path / "我的 店铺")
    home = tmp_path / "home"
    home.mkdir()
    before = {path.name for path in tree.iterdir()}
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "XYFLEET_PYTHON": str(incomplete_python(tmp_path / "incomplete")),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("site-packages")),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_INDEX_URL": f"http://me:secret@127.0.0.1:{index.port}/simple",
        "PIP_CONFIG_FILE": os.devnull,
    }

    done = run([str(tree / "scripts" / "xyfleet"), "--version"], environment)

    assert VERSION in done.stdout, done.stderr
    assert "without pip" in done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert list(home.iterdir()) == []
    assert {path.name for path in tree.iterdir()} - before == {".venv", ".venv.lock"}
    assert pip_works(tree)
    assert not list((tree / ".venv").glob("*.whl"))


def test_without_the_venv_module(tree: Path, index: PipIndex) -> None:
    """
    Where even `venv` is missing the environment is made by hand, and is one: packages go into it.

    A `target` or `user` in pip's settings, meant for packages, puts pip itself nowhere else.
    """
    (tree / "venv.py").write_text("raise ImportError('no venv here')\n")
    elsewhere = tree / "elsewhere"

    done = make(
        tree,
        PIP_INDEX_URL=f"http://127.0.0.1:{index.port}/simple/",
        PIP_TARGET=str(elsewhere),
        PIP_USER="1",
        PIP_REQUIRE_HASHES="1",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert pip_works(tree)
    assert not elsewhere.exists()
    code = "import sys; print(sys.prefix != sys.base_prefix, sys.prefix)"
    asked = run([str(tree / ".venv" / "bin" / "python"), "-I", "-c", code], os.environ)
    assert asked.stdout == f"True {tree / '.venv'}\n"


# Where from


def test_password_goes_to_the_index_alone(tree: Path, index: PipIndex) -> None:
    """User and password of the index's address are sent to it, and not to another host that its page links to."""
    index.prefix = f"http://localhost:{index.port}/files/"

    fetch(tree, PIP_INDEX_URL=f"http://me:p%40ss@127.0.0.1:{index.port}/simple")

    login = "Basic " + b64encode(b"me:p@ss").decode()
    assert index.asked == [("/simple/pip/", login), (f"/files/{index.file}", None)]


def test_second_index_is_asked_when_the_first_lacks_it(tree: Path, index: PipIndex) -> None:
    """`extra-index-url` counts."""
    with PipIndex() as empty:
        empty.status = 404
        fetch(
            tree,
            PIP_INDEX_URL=f"http://127.0.0.1:{empty.port}/simple",
            PIP_EXTRA_INDEX_URL=f"http://127.0.0.1:{index.port}/simple",
        )

    assert len(empty.asked) == 1


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_folder_of_wheels_needs_no_index(tree: Path, index: PipIndex, scheme: str) -> None:
    """With `no-index` and `find-links`, as machines without a network have them, no index is asked."""
    (tree / "wheels").mkdir()
    (tree / "wheels" / index.file).write_bytes(index.wheel)

    fetch(tree, PIP_NO_INDEX="1", PIP_FIND_LINKS=f"{scheme}{tree}/wheels")


def test_index_in_a_folder(tree: Path, index: PipIndex) -> None:
    """A mirror on the disk, `file://…/simple`, works as for pip."""
    page = tree / "simple" / "pip" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../wheels/{index.file}">pip</a>')
    (tree / "wheels").mkdir()
    (tree / "wheels" / index.file).write_bytes(index.wheel)

    fetch(tree, PIP_INDEX_URL=(tree / "simple").as_uri())


@pytest.mark.parametrize("variable", ["PIP_PROXY", "HTTP_PROXY"])
def test_proxy(tree: Path, index: PipIndex, variable: str) -> None:
    """Through the proxy of pip's settings, or of the environment."""
    fetch(tree, PIP_INDEX_URL="http://index.invalid/simple", **{variable: f"http://127.0.0.1:{index.port}"})

    assert index.asked[0][0] == "http://index.invalid/simple/pip/"


@pytest.mark.parametrize("setting", ["PIP_TRUSTED_HOST", "PIP_CERT", "REQUESTS_CA_BUNDLE"])
def test_certificate_of_ones_own(tree: Path, setting: str) -> None:
    """A server with a certificate of its own is verified by the given file, or trusted by name."""
    value = "localhost" if setting == "PIP_TRUSTED_HOST" else str(PEM / "loopback-test-cert.pem")
    with PipIndex(tls=True) as index:
        fetch(tree, PIP_INDEX_URL=f"https://localhost:{index.port}/simple", **{setting: value})


def test_dropped_connection_is_tried_again(tree: Path, index: PipIndex) -> None:
    """One answer that does not come is no failure."""
    index.dropped = 1

    fetch(tree, PIP_INDEX_URL=f"http://127.0.0.1:{index.port}/simple")


# It does not work


def refused(done: Result, tree: Path) -> str:
    """Return what it said, having left no environment behind and shown no password."""
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert not (tree / ".venv").exists()
    assert "secret" not in done.stdout
    return done.stdout


@pytest.mark.parametrize(("status", "kind"), [(404, "missing"), (401, "refused"), (503, "refused")])
def test_index_that_says_no(tree: Path, index: PipIndex, status: int, kind: str) -> None:
    """The answer of the index is told, with its host and without its password."""
    index.status = status

    said = refused(make(tree, PIP_INDEX_URL=f"http://me:secret@127.0.0.1:{index.port}/simple"), tree)

    assert said.startswith(f"failed {kind} 127.0.0.1:{index.port}: {status} ")


def test_index_without_this_version(tree: Path, index: PipIndex) -> None:
    """An index that has other versions only is told apart from one that cannot be reached."""
    index.file = "pip-0.1-py3-none-any.whl"

    said = refused(make(tree, PIP_INDEX_URL=f"http://me:secret@127.0.0.1:{index.port}/simple"), tree)

    assert said == f"failed missing 127.0.0.1:{index.port}\n"


def test_wheel_with_another_hash(tree: Path, index: PipIndex) -> None:
    """A file that is not the pinned one is not run."""
    index.wheel += b"x"

    said = refused(make(tree, PIP_INDEX_URL=f"http://127.0.0.1:{index.port}/simple"), tree)

    assert said == f"failed hash 127.0.0.1:{index.port}\n"


def test_no_network(tree: Path) -> None:
    """An index that cannot be reached is told after a few tries."""
    with PipIndex() as gone:
        pass

    said = refused(make(tree, PIP_INDEX_URL=f"http://me:secret@127.0.0.1:{gone.port}/simple"), tree)

    assert said.startswith(f"failed network 127.0.0.1:{gone.port}: ")
    assert "refused" in said


def test_unknown_certificate(tree: Path) -> None:
    """A server that cannot be verified gets no request, and the reason is told."""
    with PipIndex(tls=True) as index:
        said = refused(make(tree, PIP_INDEX_URL=f"https://me:secret@localhost:{index.port}/simple"), tree)

    assert said.startswith(f"failed certificate localhost:{index.port}: ")
    assert index.asked == []


@pytest.mark.parametrize(
    "settings",
    [
        {"PIP_NO_INDEX": "1"},
        {"PIP_INDEX_URL": "ftp://me:secret@host/simple"},
        {"PIP_INDEX_URL": "http://me:secret@[host/simple"},
        {"PIP_TIMEOUT": "secret"},
    ],
)
def test_settings_that_cannot_be_used(tree: Path, settings: dict[str, str]) -> None:
    """Settings without a usable index are told, without what may be a password in them."""
    said = refused(make(tree, **settings), tree)

    assert said.startswith("failed settings ")


def test_broken_file_of_settings(tree: Path) -> None:
    """A file that pip could not read either is named."""
    broken = tree / "pip.conf"
    broken.write_text("index-url = http://me:secret@host/\n")

    said = refused(make(tree, PIP_CONFIG_FILE=str(broken)), tree)

    assert said == f"failed settings {broken} (MissingSectionHeaderError)\n"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("network", "PIP_INDEX_URL"),
        ("missing", "PIP_INDEX_URL"),
        ("refused", "PIP_INDEX_URL"),
        ("hash", "PIP_INDEX_URL"),
        ("certificate", "PIP_CERT"),
        ("settings", "host: why"),
    ],
)
def test_failure_is_explained(machine: Machine, kind: str, remedy: str, language: str) -> None:
    """Each way to fail has its sentence with host and remedy; nobody is sent to install a package."""
    machine.python(pip="index")

    result = machine.start(language=language, STANDIN_NO_PIP=f"{kind} host: why")

    assert in_words(result, language)
    assert remedy in result.stderr.splitlines()[-1]
    assert "host: why" in result.stderr
    assert "apt" not in result.stderr
