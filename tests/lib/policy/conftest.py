"""What several tests of the policy room need."""

from __future__ import annotations

import asyncio
import threading

import pytest

from lib.policy.load import load_model


@pytest.fixture
def model(world_policy):
    return load_model(world_policy / "checkpoint")


@pytest.fixture
def loop():
    """An event loop at work in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
