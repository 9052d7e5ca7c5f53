"""Work that a loop's thread leaves to another one: where it is done, in which order, and what becomes of errors."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from lib.policy.lane import SOON_S, Lane


def start(loop, work):
    return asyncio.run_coroutine_threadsafe(work, loop)


def thread_name():
    return threading.current_thread().name


def test_work_that_nobody_serves_is_done_on_the_spot(loop):
    assert start(loop, Lane().do(thread_name)).result(5) == "loop"


def test_served_work_is_done_by_the_thread_that_waits_in_order_and_whole(loop):
    lane, done = Lane(), []

    async def work():
        return await asyncio.gather(*[lane.do(lambda n=n: done.append(n) or thread_name()) for n in range(20)])

    with lane.served():
        result = start(loop, work())
        lane.serve_until(result)
    assert set(result.result()) == {thread_name()} != {"loop"}
    assert done == list(range(20))


def test_an_error_goes_to_whoever_handed_the_work_in_and_the_next_work_is_done(loop):
    lane = Lane()

    async def work():
        with pytest.raises(ZeroDivisionError):
            await lane.do(lambda: 1 / 0)
        return await lane.do(lambda: 2)

    with lane.served():
        result = start(loop, work())
        lane.serve_until(result)
    assert result.result() == 2


def test_a_thread_that_is_told_to_end_ends_and_its_work_counts_as_given_up(loop):
    lane = Lane()

    def leave():
        raise SystemExit(3)

    with lane.served():
        result = start(loop, lane.do(leave))
        with pytest.raises(SystemExit):
            lane.serve_until(result)
        with pytest.raises(BaseException) as found:
            result.result(5)
        assert "Cancelled" in type(found.value).__name__


def test_the_rest_is_what_is_there_and_what_is_on_its_way(loop):
    left = list(range(20))
    lane = Lane(has_more=lambda: bool(left))

    async def work():
        while left:
            await asyncio.sleep(SOON_S / 50)
            await lane.do(left.pop)

    with lane.served():
        result = start(loop, work())
        lane.serve_rest()
        assert not left
        result.result(5)
        lane.serve_rest()  # returns at once


def test_nobody_waits_long_for_a_rest_that_does_not_come():
    lane = Lane(has_more=lambda: True)
    with lane.served():
        started = time.perf_counter()
        lane.serve_rest()
        assert SOON_S <= time.perf_counter() - started < 30


def test_what_is_left_at_the_end_is_not_done(loop):
    lane, done = Lane(), []
    with lane.served():
        result = start(loop, lane.do(lambda: done.append(1)))
        while lane._jobs.empty():
            time.sleep(0.001)
    with pytest.raises(BaseException) as found:
        result.result(5)
    assert "Cancelled" in type(found.value).__name__ and not done
    assert start(loop, lane.do(thread_name)).result(5) == "loop"
