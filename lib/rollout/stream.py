"""Groups of episodes, played by an event loop in a thread of its own, ahead of whoever trains on them.

In: which questions belong to which step, and how a group is played. Out: finished groups. A group of step s starts
once the weights of version s - ahead are in, so that nothing is sampled from a policy that is further behind than
that when its turn comes. With ``ahead`` 0 nothing runs while the trainer trains; with more, slow episodes no longer
hold a step up: the groups that are finished are taken, the oldest first.

The loop and what runs in it live as long as the stream, so an engine's servers can be started from there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lib.environments.environment import Question
from lib.rollout.episode import Episode

Result = TypeVar("Result")
LEAVE_WITHIN_S = 30.0


@dataclass(frozen=True, order=True)
class Place:
    """Of a group in the order of the run."""

    step: int  # that it was drawn for
    number: int


class RolloutStream:
    """Use as a context manager.

    Args:
        play: the episodes of a question's group, drawn for a step.
        questions_of: the questions of a step.
        first: step that the run begins with, and version of the weights that it begins with.
        steps: end of the run.
        ahead: optimizer steps by which sampling may run ahead of training.
        in_flight: whether weights change while episodes go on; otherwise those that have begun end first.
    """

    def __init__(
        self,
        play: Callable[[Question, int], Awaitable[list[Episode]]],
        questions_of: Callable[[int], Sequence[Question]],
        *,
        first: int,
        steps: int,
        ahead: int,
        in_flight: bool,
    ):
        self._play, self._questions_of = play, questions_of
        self._steps, self._ahead, self._in_flight = steps, ahead, in_flight
        self._next = first  # the first step whose groups have not been started
        self._running: set[asyncio.Task[None]] = set()
        self._finished: dict[Place, list[Episode]] = {}
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rollouts", daemon=True)

    def __enter__(self) -> RolloutStream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What has begun is given up."""
        asyncio.run_coroutine_threadsafe(self._give_up(), self._loop).result(LEAVE_WITHIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LEAVE_WITHIN_S)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a coroutine in the stream's loop, between whatever else runs there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def change_weights(self, change: Callable[[], Coroutine[Any, Any, Result]], *, version: int) -> Result:
        """Make the change, then start what may start under that version. Raises what broke a group."""

        async def work() -> Result:
            if not self._in_flight and self._running:
                await asyncio.wait(self._running)
            result = await change()
            self._start_up_to(version + self._ahead)
            return result

        result = self.run(work())
        self._raise_error()
        return result

    def take(self, step: int) -> list[Episode]:
        """The episodes of as many groups as the step has questions, in the order in which they were drawn.

        Waits until that many are finished. Raises what broke a group.
        """
        wanted = len(self._questions_of(step))
        with self._changed:
            self._changed.wait_for(lambda: self._error or len(self._finished) >= wanted)
            self._raise_error()
            places = sorted(self._finished)[:wanted]
            return [episode for place in places for episode in self._finished.pop(place)]

    def _start_up_to(self, step: int) -> None:
        while self._next <= min(step, self._steps - 1):
            for number, question in enumerate(self._questions_of(self._next)):
                task = self._loop.create_task(self._run(Place(self._next, number), question))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            self._next += 1

    async def _run(self, place: Place, question: Question) -> None:
        try:
            episodes = await self._play(question, place.step)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # boundary: whoever waits for the group learns of it
            with self._changed:
                self._error = self._error or error
                self._changed.notify_all()
        else:
            with self._changed:
                self._finished[place] = episodes
                self._changed.notify_all()

    async def _give_up(self) -> None:
        """Whatever runs in the loop: groups, an engine's driver, connections of tools."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
