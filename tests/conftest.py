"""Shared by all tests: every asyncio test runs on uvloop, as the workers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import hypothesis
import pytest
import uvloop

from support.gateway import Gateway

# A machine that runs other tests beside these must not turn slow examples into failures.
hypothesis.settings.register_profile("xyfleet", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("xyfleet")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run coroutines on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Run a built-in gateway for one test."""
    with Gateway() as running:
        yield running


@pytest.fixture(scope="session")
def _resident_gateway() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


@pytest.fixture
def fresh_gateway(_resident_gateway: Gateway) -> Gateway:
    """Give a gateway as new whose process serves the whole run: for quick tests, which must leave it running."""
    _resident_gateway.reset()
    return _resident_gateway
