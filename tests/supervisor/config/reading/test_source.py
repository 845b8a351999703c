"""Reading a settings file as text: what is no such file is named plainly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xyfleet.supervisor.config.reading.problems import At, BadFile
from xyfleet.supervisor.config.reading.source import decode, read

AT = At("accounts.yml")
NAMED = At("accounts.yml", 7, "a", "cookie_file")


def refusal(path: Path, at: At = AT, limit: int = 1000) -> str:
    """Return the words of the problem with a file."""
    with pytest.raises(BadFile) as caught:
        read(path, at, limit)
    return str(caught.value)


def refused(data: bytes, at: At = AT) -> str:
    """Return the words of the problem with bytes."""
    with pytest.raises(BadFile) as caught:
        decode(data, at)
    return str(caught.value)


def test_text_size_and_who_can_read_it(tmp_path: Path) -> None:
    """A file comes as text without byte order mark, with its bytes and whether others can read it."""
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbf\xe5\xba\x97: 1\r\n")
    path.chmod(0o640)

    found = read(path, AT)

    assert found == ("店: 1\r\n", 11, True)
    path.chmod(0o600)
    assert not read(path, AT).shared


def test_a_missing_file(tmp_path: Path) -> None:
    """The main file points to the example; a file that a setting names does not."""
    assert (
        refusal(tmp_path / "x")
        == "accounts.yml: no such file; check the path; accounts.example.yml is a file to begin with"
    )
    assert refusal(tmp_path / "x", NAMED) == "accounts.yml:7: a: cookie_file: no such file; check the path"


def test_a_folder(tmp_path: Path) -> None:
    """A folder is no file."""
    assert "is a folder" in refusal(tmp_path)


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    """A FIFO that nobody writes to does not stop the program."""
    os.mkfifo(tmp_path / "pipe")

    assert "is not a plain file" in refusal(tmp_path / "pipe")


def test_a_device_is_refused() -> None:
    """An endless device is not read."""
    assert "is not a plain file" in refusal(Path("/dev/zero"))


def test_a_file_above_the_limit(tmp_path: Path) -> None:
    """The limit itself is allowed, one byte more is not."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * 1000)
    assert len(read(path, AT, 1000).text) == 1000

    path.write_bytes(b"x" * 1001)
    assert "is larger than 1000 bytes" in refusal(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    """A file of another owner says so."""
    path = tmp_path / "a"
    path.write_text("x")
    path.chmod(0)

    assert "may not be read by this user" in refusal(path)


def test_paths_that_can_not_be(tmp_path: Path) -> None:
    """A loop of links, an endless name and a NUL have their reason named."""
    (tmp_path / "loop").symlink_to("loop")

    assert "can't be read: Too many levels of symbolic links" in refusal(tmp_path / "loop")
    assert "can't be read: File name too long" in refusal(tmp_path / ("x" * 300))
    assert "can't be read: not a path" in refusal(Path("a\0b"))


def test_links_are_followed(tmp_path: Path) -> None:
    """A mounted secret is a link to a file."""
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")

    assert read(tmp_path / "link", AT).text == "x"


def test_gbk_is_recognised_with_its_line() -> None:
    """A file saved by an old Chinese editor gets the remedy and the first line with Chinese in it."""
    assert refused("version: 1\nlabel: 旗舰店\n".encode("gbk")).startswith("accounts.yml:2: is saved as GBK")


def test_utf16_is_recognised() -> None:
    """Notepad's Unicode gets the remedy."""
    assert "is saved as UTF-16" in refused("version: 1".encode("utf-16"))


@pytest.mark.parametrize("data", [b"\x7fELF\0\0", b"PK\x03\x04\0\0", "version: 1".encode("utf-16-le")])
def test_binary_files(data: bytes) -> None:
    """A file with NUL bytes is no text."""
    assert "is not a text file" in refused(data)


def test_other_bytes_that_are_not_utf8() -> None:
    """What is neither UTF-8 nor GBK is named with its line."""
    assert refused(b"a: 1\nb: \xff\xff\n").startswith("accounts.yml:2: holds bytes that are not UTF-8 text")


def test_control_characters() -> None:
    """An invisible character is named with its line, or with the setting whose file holds it."""
    assert refused(b"a: 1\nb: \x1b[31m\n").startswith("accounts.yml:2: holds an invisible control character")
    assert refused(b"a\nb\x07", NAMED).startswith("accounts.yml:7: a: cookie_file: holds an invisible")


def test_a_problem_of_a_named_file_stays_with_the_setting() -> None:
    """Bad bytes of a secret's file are blamed on the line that names it."""
    assert refused(b"\xff\xff", NAMED).startswith("accounts.yml:7: a: cookie_file: holds bytes")


def test_tabs_and_all_line_ends_pass() -> None:
    """Tabs, CRLF and a lone CR are left to YAML."""
    assert decode(b"a:\t1\r\nb: 2\r", AT) == "a:\t1\r\nb: 2\r"
