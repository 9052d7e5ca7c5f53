"""Groups of episodes, played by an event loop beside or ahead of whoever trains on them.

In: which questions belong to which step, and how a group is played. Out: finished groups. A group of step s starts
once the weights of version s - ahead are in, so that nothing is sampled from a policy that is further behind than
that when its turn comes. With ``ahead`` 0 nothing runs while the trainer trains, and the loop runs in the trainer's
thread while that waits. With more, the loop has a thread of its own (what an engine computes in this process it leaves
to the trainer's: see lib/policy/lane.py), and slow episodes no longer hold a step up: the groups that are finished are
taken, the oldest first. Only a group that the next step would find too old is waited for, since all work on it would
be lost, and not for long where others take a fraction of its time.

The loop and what runs in it live as long as the stream. What a stream has handed out beyond the order of the steps is
its ledger, with which a resumed run neither repeats a group nor forgets one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

from lib.environments.environment import Question
from lib.policy.lane import Lane
from lib.rollout.episode import Episode
from lib.store.atomic_write import write_atomically

Result = TypeVar("Result")
LEAVE_WITHIN_S = 30.0
PATIENCE = 3.0  # times as long as a group takes usually is waited for one that would be too old at the next step


logger = logging.getLogger("ropewalk.rollouts")


class Place(NamedTuple):
    """Of a group in the order of the run."""

    step: int  # that it was drawn for
    number: int


class Ledger(NamedTuple):
    """What was taken before a step, where that is not all groups of the steps before it and nothing else."""

    ahead: tuple[Place, ...] = ()  # taken early
    owed: tuple[Place, ...] = ()  # of steps before, and not taken yet

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Empty where there is no such file."""
        if not path.is_file():
            return cls()
        return cls(*(tuple(Place(*place) for place in part) for part in json.loads(path.read_text())))

    def write(self, path: Path) -> None:
        write_atomically(path, json.dumps(self))


IN_ORDER = Ledger()


class RolloutStream:
    """Use as a context manager.

    Args:
        play: the episodes of a question's group, drawn for a step.
        questions_of: the questions of a step.
        first: step that the run begins with, and version of the weights that it begins with.
        steps: end of the run.
        ahead: steps by which sampling may run ahead of training.
        in_flight: whether weights change while episodes go on; otherwise those that have begun end first.
        ledger: of the run that is resumed.
        lane: of the engine, where that computes in this process.
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
        ledger: Ledger = IN_ORDER,
        lane: Lane | None = None,
    ):
        self._play, self._questions_of = play, questions_of
        self._steps, self._ahead, self._in_flight = steps, ahead, in_flight
        self._next = first  # the first step whose groups have not been started
        self._skipped, self._owed = set(ledger.ahead), ledger.owed
        self._taken = set(ledger.ahead)
        self._started = set(ledger.owed)
        self._version = first  # of the weights
        self._begun: dict[Place, tuple[float, int]] = {}  # of groups at work: when, and under which version
        self._seconds: list[float] = []  # that groups took
        self._running: set[asyncio.Task[None]] = set()
        self._finished: dict[Place, list[Episode]] = {}
        self._error: BaseException | None = None
        self._is_leaving = False
        self._changed = asyncio.Event()  # a group has ended
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._lane = lane if ahead else None
        self._serving = contextlib.ExitStack()
        if ahead:
            self._thread = threading.Thread(target=self._loop.run_forever, name="rollouts", daemon=True)

    def __enter__(self) -> RolloutStream:
        if self._thread:
            self._thread.start()
        if self._lane:
            self._serving.enter_context(self._lane.served())
        return self

    def __exit__(self, *_: object) -> None:
        """What has begun is given up; what does not let itself be given up is left to the end of the process."""
        self._is_leaving = True
        self._serving.close()
        if self._thread is None:
            self.run(self._give_up())
            self._loop.close()
            return
        try:
            asyncio.run_coroutine_threadsafe(self._give_up(), self._loop).result(LEAVE_WITHIN_S)
        except TimeoutError:
            logger.warning("episodes did not end within %g s", LEAVE_WITHIN_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(LEAVE_WITHIN_S)
            if not self._thread.is_alive():
                self._loop.close()

    def ledger(self, step: int) -> Ledger:
        """Of what was taken before a step begins."""
        ahead = sorted(place for place in self._taken if place.step >= step)
        owed = sorted(place for place in self._started - self._taken if place.step < step)
        return Ledger(tuple(ahead), tuple(owed))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a coroutine in the stream's loop, between whatever else runs there."""
        if self._thread is None:
            return self._loop.run_until_complete(work)
        result = asyncio.run_coroutine_threadsafe(work, self._loop)
        if self._lane:
            self._lane.serve_until(result)
        return result.result()

    def give_way(self) -> None:
        """Compute for the episodes until all of them wait for tools.

        Who trains on them comes last: what is sampled now need not be computed again under the next weights, and
        tools work while this thread trains.
        """
        if self._lane:
            self._lane.serve_rest()

    def settle(self) -> None:
        """Where weights do not change in flight, wait until what has begun has ended. Raises what broke a group."""

        async def wait() -> None:
            if not self._in_flight and self._running:
                await asyncio.wait(self._running)

        self.run(wait())
        self._raise_error()

    def change_weights(self, change: Callable[[], Coroutine[Any, Any, Result]], *, version: int) -> Result:
        """Make the change, then start what may start under that version. Raises what broke a group."""
        self.settle()

        async def work() -> Result:
            result = await change()
            self._version = version
            self._start_up_to(version + self._ahead)
            return result

        result = self.run(work())
        self._raise_error()
        return result

    def take(self, step: int) -> list[Episode]:
        """The episodes of as many groups as the step has questions, in the order in which they were drawn.

        Waits until that many are finished, and for those that no later step could take. Raises what broke a group.
        """
        episodes = self.run(self._take(step, wanted=len(self._questions_of(step))))
        self._raise_error()
        return episodes

    async def _take(self, step: int, *, wanted: int) -> list[Episode]:
        while not self._error and len(self._finished) < wanted:
            await self._next_change()
        while not self._error and (seconds := self._patience(step)) > 0:
            await self._next_change(seconds)
        if self._error:
            return []
        places = sorted(self._finished)[:wanted]
        self._taken.update(places)
        return [episode for place in places for episode in self._finished.pop(place)]

    async def _next_change(self, within_s: float | None = None) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._changed.wait()

    def _patience(self, step: int) -> float:
        """Seconds for which to wait for groups that are still at work."""
        due = [began for began, version in self._begun.values() if step - version == self._ahead]
        if not due:
            return 0.0
        return max(due) + PATIENCE * median(self._seconds) - time.monotonic()

    def _start_up_to(self, step: int) -> None:
        for place in self._owed:
            self._start(place)
        self._owed = ()
        while self._next <= min(step, self._steps - 1):
            for number in range(len(self._questions_of(self._next))):
                self._start(Place(self._next, number))
            self._next += 1

    def _start(self, place: Place) -> None:
        if place in self._skipped:
            return
        question = self._questions_of(place.step)[place.number]
        self._begun[place] = (time.monotonic(), self._version)
        task = self._loop.create_task(self._run(place, question))
        self._started.add(place)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, place: Place, question: Question) -> None:
        try:
            episodes = await self._play(question, place.step)
        except BaseException as error:  # boundary: whoever waits for the group learns of it
            if self._is_leaving:
                raise
            self._error = self._error or error
        else:
            began, _ = self._begun.pop(place)
            self._seconds.append(time.monotonic() - began)
            self._finished[place] = episodes
        self._changed.set()

    async def _give_up(self) -> None:
        """Whatever runs in the loop: groups, an engine's driver, connections of tools."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest and (await asyncio.wait(rest, timeout=LEAVE_WITHIN_S / 2))[1]:
            logger.warning("episodes did not end within %g s", LEAVE_WITHIN_S / 2)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
