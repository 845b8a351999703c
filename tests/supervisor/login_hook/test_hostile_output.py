"""What a hook may print to do harm: JSON without a bottom, numbers without an end, secrets at the cut."""

from __future__ import annotations

import pytest

from support.hooks import Service, run
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.policy import LONGEST_RETRY_AFTER, Failed, understand
from xyfleet.worker.reasons import Reason, words


@pytest.mark.parametrize(
    "output",
    [b"[" * 60_000, b'{"error":' * 20_000, b'{"error":"x","deep":' + b"[" * 60_000, b'"\\ud800"'],
)
def test_json_that_cannot_be_read(output: bytes) -> None:
    """However deep or broken, it counts as none, and never raises (B19)."""
    assert understand(0, output) == Failed(Reason("hook_no_json"))
    assert understand(3, output) == Failed(Reason("exit_code", {"status": 3}))


@pytest.mark.parametrize("digits", [20, 309, 400, 4000])
def test_retry_after_of_any_size(digits: int) -> None:
    """A number that is no float any more is the longest wait; that a person is needed is heard all the same (B19)."""
    output = b'{"error":"come later","retry_after":%b,"needs_human":true}' % (b"9" * digits)

    assert understand(1, output) == Failed(words("come later"), retry_after=LONGEST_RETRY_AFTER, needs_human=True)


async def test_deep_json_is_a_failed_run(service: Service, store: Store) -> None:
    """The run is on record as a failure with its reason, not as one that nobody waited for (B19)."""
    assert await run(service("print('[' * 60000)")) == Failed(Reason("hook_no_json"))
    (attempt,) = store.get("shop").attempts
    assert (attempt.ok, attempt.ran) == (False, True)
