"""The account's log: the seed's texts and levels, the context, the two formats, and no secrets."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog, LibraryLogHandler, as_json, console
from xyfleet.worker.telemetry.log_texts import LogText


@pytest.fixture
def shanghai() -> Iterator[None]:
    """Set the local time zone for one test."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Shanghai"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_the_seeds_table() -> None:
    """Texts and levels are the seed's, to the letter."""
    table = {
        (logging.getLevelName(line.level), line.text) for line in vars(log_texts).values() if isinstance(line, LogText)
    }

    assert table >= {
        ("WARNING", "心跳包已发送"),
        ("ERROR", "心跳发送失败"),
        ("WARNING", "心跳响应正常"),
        ("ERROR", "心跳响应异常"),
        ("ERROR", "心跳连续失败"),
        ("WARNING", "WebSocket连接已关闭"),
        ("ERROR", "WebSocket连接异常"),
    }


def test_console_line(shanghai: None) -> None:
    """Local time, level, text, key=value; values with blanks or quotes are quoted."""
    fields: dict[str, object] = {"account": "shop-001", "rtt_ms": 61.2, "reason": 'it "broke" off', "empty": ""}

    assert console(1767225600.0426, log_texts.BEAT_ANSWERED, fields) == (
        "2026-01-01 08:00:00.042 WARNING 心跳响应正常 account=shop-001 rtt_ms=61.2"
        ' reason="it \\"broke\\" off" empty=""\n'
    )


def test_console_traceback(shanghai: None) -> None:
    """A traceback stands below its line, indented."""
    text = console(0.0, log_texts.PROGRAM_ERROR, {"account": "a", "traceback": "Traceback\n  File\nValueError\n"})

    assert text == ("1970-01-01 08:00:00.000 ERROR 程序错误 account=a\n    Traceback\n      File\n    ValueError\n")


def test_json_line(shanghai: None) -> None:
    """One object with time and offset, level, event and the context."""
    text = as_json(1767225600.0426, log_texts.BEAT_SENT, {"account": "shop-001", "generation": 3})

    assert text.endswith("}\n")
    assert json.loads(text) == {
        "time": "2026-01-01T08:00:00.042+08:00",
        "level": "WARNING",
        "event": "心跳包已发送",
        "account": "shop-001",
        "generation": 3,
    }


def make(tmp_path: Path, **settings: object) -> AccountLog:
    """Return a log into a folder."""
    return AccountLog("shop-001", LogSettings(dir=str(tmp_path), **settings))  # type: ignore[arg-type]


def until(true: Callable[[], object]) -> None:
    """Wait until the thread that writes has made something true."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def written(tmp_path: Path) -> list[str]:
    """Return the lines of the two files, those of the beats behind the others."""
    paths = [tmp_path / "shop-001.log", tmp_path / "shop-001.beats.log"]
    return [line for path in paths if path.exists() for line in path.read_text("utf-8").splitlines()]


def test_lines_carry_the_account_and_the_generation(tmp_path: Path) -> None:
    """Context comes first; None is left out."""
    log = make(tmp_path)
    log.generation = 4
    log.say(log_texts.SOCKET_CLOSED, cause="closed", reason=None)
    log.close()

    assert written(tmp_path)[0].endswith("WARNING WebSocket连接已关闭 account=shop-001 generation=4 cause=closed")


foreign = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@pytest.mark.parametrize("form", ["console", "json"])
@given(fields=st.dictionaries(st.sampled_from(["reason", "code", "mid"]), foreign))
def test_no_value_breaks_a_line(tmp_path_factory: pytest.TempPathFactory, form: str, fields: dict[str, object]) -> None:
    """Whatever a server sends, the log has one short printable line of it."""
    folder = tmp_path_factory.mktemp("any")
    log = make(folder, format=form)
    log.say(log_texts.SOCKET_CLOSED, **fields)
    log.close()
    (line,) = written(folder)

    assert line.isprintable()
    assert len(line) < 1500
    assert form == "console" or json.loads(line)["event"] == "WebSocket连接已关闭"


@pytest.mark.parametrize(("beats", "expected"), [(True, 3), (False, 1)])
def test_beats_can_be_left_out(tmp_path: Path, beats: bool, expected: int) -> None:
    """`beats: false` leaves out good beats and nothing else."""
    log = make(tmp_path, beats=beats)
    log.say(log_texts.BEAT_SENT)
    log.say(log_texts.BEAT_ANSWERED)
    log.say(log_texts.BEAT_ABNORMAL)
    log.close()

    assert len(written(tmp_path)) == expected


def test_debug_lines_only_when_verbose(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A foreign mid is a debug line: in the log only when the fleet was started verbosely, then on the console too."""
    for verbose in (False, True):
        log = make(tmp_path, verbose=verbose)
        log.say(log_texts.ANSWER_FOREIGN, mid="x")
        log.close()

    assert len(written(tmp_path)) == 1
    assert "收到其他请求的响应" in capfd.readouterr().err


def test_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """Without a folder lines are JSON on standard output."""
    log = AccountLog("shop-001", LogSettings())
    log.say(log_texts.BEAT_SENT, mid="1")
    log.close()

    assert json.loads(capfd.readouterr().out)["event"] == "心跳包已发送"


def test_secrets_are_masked(tmp_path: Path) -> None:
    """Hidden texts don't come through in any field, the latest tokens and the lasting secrets."""
    log = AccountLog("shop-001", LogSettings(dir=str(tmp_path)), [Secret("proxy-password"), Secret("ab")])
    for number in range(10):
        log.hide(Secret(f"token-number-{number}"))
    log.say(log_texts.SOCKET_ERROR, reason="token-number-9 and token-number-8 by proxy-password of ab")
    log.close()

    assert 'reason="*** and *** by *** of ab"' in written(tmp_path)[0]


def test_tracebacks_are_masked(tmp_path: Path) -> None:
    """An error's own text is masked like any other."""
    log = make(tmp_path)
    log.hide(Secret("very-secret-token"))
    try:
        raise ValueError("bad very-secret-token")
    except ValueError as error:
        log.bug(error)
    log.close()
    text = "\n".join(written(tmp_path))

    assert "ValueError: bad ***" in text
    assert "Traceback (most recent call last)" in text


def test_lost_lines_are_counted_and_told(tmp_path: Path) -> None:
    """While writing fails there is a note; the first line that works again says how many were lost."""
    folder = tmp_path / "logs"
    folder.write_text("in the way")
    log = make(folder)
    log.say(log_texts.SOCKET_CLOSED)
    log.say(log_texts.SOCKET_CLOSED)
    until(lambda: str(log.note()) == "log not written: File exists")

    folder.unlink()
    log.say(log_texts.SOCKET_CLOSED)
    until(lambda: log.note() is None)
    log.close()
    assert "ERROR 部分日志未能写入 account=shop-001 lines=2" in written(folder)[0]
    assert len(written(folder)) == 2


def test_new_settings(tmp_path: Path) -> None:
    """A log goes on under other settings, and keeps what it hides."""
    log = make(tmp_path)
    log.hide(Secret("very-secret-token"))
    log.say(log_texts.SOCKET_CLOSED)
    log.apply(LogSettings(dir=str(tmp_path / "new"), format="json"))
    log.say(log_texts.SOCKET_CLOSED, reason="very-secret-token")
    log.close()

    assert len(written(tmp_path)) == 1
    assert json.loads(written(tmp_path / "new")[0])["reason"] == "***"


@pytest.mark.parametrize("form", ["console", "json"])
def test_unprintable_tracebacks(tmp_path: Path, form: str) -> None:
    """A traceback with a text that can't be encoded is written with a replacement."""
    log = make(tmp_path, format=form)
    log.bug(ValueError("bad\ud800"))
    log.close()

    assert "ValueError: bad?" in "\n".join(written(tmp_path))


def test_libraries_are_led_into_the_log(tmp_path: Path) -> None:
    """Warnings of libraries get into the account's log with their traceback, even malformed ones."""
    log = make(tmp_path, format="json")
    bridge = LibraryLogHandler(log)
    logger = logging.getLogger("websockets.client")
    logger.addHandler(bridge)
    try:
        logger.info("not worth a line")
        try:
            raise OSError("broken")
        except OSError:
            logger.warning("write failed: %s", "x", exc_info=True)
    finally:
        logger.removeHandler(bridge)
    bridge.emit(logging.LogRecord("asyncio", logging.ERROR, "", 0, "two %s", (1, 2), None))
    log.close()
    first, second = (json.loads(line) for line in written(tmp_path))

    assert (first["level"], first["event"], first["logger"]) == ("WARNING", "write failed: x", "websockets.client")
    assert "OSError: broken" in first["traceback"]
    assert second["event"] == "two %s"
