"""Work that coroutines leave to a thread which has other work as well.

In: functions. Out: what they return. Where nobody serves the lane, they are called on the spot.

An engine samples in an event loop that goes on while a trainer trains, yet its passes are computed by the thread that
trains: on a CPU two threads that compute hold each other up even where they take turns. OpenMP keeps workers for each,
and as soon as all of them outnumber the cores they sleep between any two products.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")
# So long without work means that there is none for now: an event loop takes less from one pass to the next.
IDLE_S = 0.05


class Lane:
    """From an event loop's thread to the one that serves."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._is_served = False

    async def do(self, work: Callable[[], Result]) -> Result:
        """What the work returns or raises. It is done whole, and in the order in which it was handed in."""
        if not self._is_served:
            return work()
        future: Future[Result] = Future()
        self._jobs.put((work, future))
        return await asyncio.wrap_future(future)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Meanwhile work waits until the calling thread serves; what is left at the end is not done."""
        self._is_served = True
        try:
            yield
        finally:
            self._is_served = False
            while not self._jobs.empty():
                if job := self._jobs.get():
                    job[1].cancel()

    def serve_until(self, event: Future[Any]) -> None:
        """Do what comes until something else is done."""
        event.add_done_callback(lambda _: self._jobs.put(None))
        while not event.done():
            self._work(self._jobs.get())

    def serve_for(self, seconds: float) -> None:
        """Do what comes for so long at the most, and no longer than there is any."""
        ends = time.monotonic() + seconds
        try:
            while (left := ends - time.monotonic()) > 0:
                self._work(self._jobs.get(timeout=min(left, IDLE_S)))
        except queue.Empty:
            return

    @staticmethod
    def _work(job: tuple[Callable[[], Any], Future[Any]] | None) -> None:
        if job is None or not job[1].set_running_or_notify_cancel():
            return
        work, future = job
        try:
            future.set_result(work())
        except Exception as error:  # boundary: it belongs to who has handed the work in
            future.set_exception(error)
        except BaseException:  # this thread is told to end
            future.set_exception(CancelledError())
            raise
