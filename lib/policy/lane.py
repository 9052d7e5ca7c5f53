"""Work that coroutines leave to a thread which has other work as well.

In: functions. Out: what they return. Where nobody serves the lane, they are called on the spot.

An engine samples in an event loop that goes on while a trainer trains, yet its passes are computed by the thread that
trains: on a CPU two threads that compute hold each other up even where they take turns. OpenMP keeps workers for each,
and as soon as all of them outnumber the cores they sleep between any two products.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")
# Within so long an event loop that has more hands it in; one that does not is busy otherwise.
SOON_S = 0.05


class Lane:
    """From an event loop's thread to the one that serves.

    Args:
        has_more: whether work is on its way.
    """

    def __init__(self, has_more: Callable[[], bool] = lambda: False) -> None:
        self._has_more = has_more
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

    def serve_rest(self) -> None:
        """Do what is there, and what is on its way, until there is no more."""
        while self._has_more() or not self._jobs.empty():
            try:
                self._work(self._jobs.get(timeout=SOON_S))
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
