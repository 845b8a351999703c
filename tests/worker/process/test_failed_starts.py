"""The calls by which a forkserver takes a request: what fails is refused, told, closed, and survived."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import errno, multiprocessing.forkserver as forkserver, os, resource, socket
from multiprocessing import reduction
from xyfleet.worker.process import failed_starts

failed_starts.outlive()
there, here = socket.socketpair()
status, telling = os.pipe()
os.set_blocking(status, False)

def open_files():
    return len(os.listdir("/proc/self/fd"))

def refused(what):
    before = open_files()
    try:
        what()
    except OSError as error:
        assert error.errno == errno.ECONNABORTED, error
        return before - open_files()
    raise AssertionError("not refused")

def told():
    try:
        return forkserver.read_signed(status)
    except BlockingIOError:
        return None
"""

CASES = {
    "hung_up": "there.close(); assert refused(lambda: reduction.recvfds(here, 257)) == 0; assert told() is None",
    "no_descriptors": 'there.send(b"\\4"); assert refused(lambda: reduction.recvfds(here, 257)) == 0',
    "wrong_number": """
socket.send_fds(there, [b"\\7"], [telling, telling])
assert refused(lambda: reduction.recvfds(here, 257)) == 0
assert told() == -errno.EMFILE
""",
    "no_room": """
socket.send_fds(there, [b"\\x02"], [telling, telling])
resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 4,) * 2)
assert refused(lambda: reduction.recvfds(here, 257)) == 0
assert told() == -errno.EMFILE
""",
    "child": """
socket.send_fds(there, [b"\\x01"], [telling])
if os.fork() == 0:
    # Workers inherit all this, and it is not for them: an owner's handler may fork and receive as it likes.
    (fd,) = reduction.recvfds(here, 1)
    if os.fork() == 0:
        os.write(fd, forkserver.SIGNED_STRUCT.pack(7))
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
assert told() == 7
""",
}


@pytest.mark.parametrize("case", CASES)
def test_request_that_fails(case: str) -> None:
    """Whatever is wrong with a request: ECONNABORTED, the number to who asked, nothing left open (findings 4, B2)."""
    done = subprocess.run([sys.executable, "-c", PROGRAM + CASES[case]], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
