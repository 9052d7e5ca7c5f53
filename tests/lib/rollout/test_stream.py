"""Sampling that runs ahead of training: who may start when, who is taken, and what a slow or broken group does."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from lib.environments.environment import Question
from lib.policy.lane import Lane
from lib.rollout.stream import Ledger, RolloutStream

GROUPS = 3
STEPS = 6


class Player:
    """Stands in for the episodes: notes which version of the weights a group starts under, and takes its time."""

    def __init__(self, seconds=lambda step, number: 0.0, breaks=lambda step, number: False):
        self.version = -1
        self.started: dict[tuple[int, int], int] = {}
        self.ended: dict[tuple[int, int], int] = {}
        self.threads: set[str] = set()
        self._seconds, self._breaks = seconds, breaks

    async def play(self, question, step):
        number = int(question.id)
        self.started[step, number] = self.version
        self.threads.add(threading.current_thread().name)
        await asyncio.sleep(self._seconds(step, number))
        if self._breaks(step, number):
            raise OSError("the engine is gone")
        self.ended[step, number] = self.version
        return [SimpleNamespace(step=step, number=number)]

    async def change_now(self):
        return await self.change(0)

    async def change(self, version):
        self.version = version
        return f"weights {version}"


def questions_of(step):
    return [Question(id=str(number), domain="knowledge", prompt="?", answer="!") for number in range(GROUPS)]


def train(player, *, ahead, in_flight, seconds=0.0):
    """What each step takes."""
    taken = []
    with RolloutStream(player.play, questions_of, first=0, steps=STEPS, ahead=ahead, in_flight=in_flight) as stream:
        assert stream.change_weights(lambda: player.change(0), version=0) == "weights 0"
        for step in range(STEPS):
            taken.append([(one.step, one.number) for one in stream.take(step)])
            time.sleep(seconds)
            stream.change_weights(lambda step=step: player.change(step + 1), version=step + 1)
    return taken


def test_in_step_every_group_is_sampled_by_the_policy_that_its_step_begins_with():
    player = Player(lambda step, number: 0.01 * (GROUPS - number))
    taken = train(player, ahead=0, in_flight=False)
    assert taken == [[(step, number) for number in range(GROUPS)] for step in range(STEPS)]
    assert player.started == {(step, number): step for step in range(STEPS) for number in range(GROUPS)}
    assert player.threads == {threading.current_thread().name}


def test_one_step_off_samples_the_next_step_while_one_trains_and_never_changes_weights_under_an_episode():
    player = Player(lambda step, number: 0.03)
    train(player, ahead=1, in_flight=False, seconds=0.01)
    assert {step: player.started[step, 0] for step in range(STEPS)} == {0: 0, 1: 0, 2: 1, 3: 2, 4: 3, 5: 4}
    assert player.started == player.ended
    assert player.threads == {"rollouts"}


def test_in_flight_weights_change_under_a_slow_group_and_the_others_are_taken_meanwhile():
    player = Player(lambda step, number: 0.25 if (step, number) == (0, 1) else 0.005)
    taken = train(player, ahead=2, in_flight=True, seconds=0.03)
    assert player.started[0, 1] < player.ended[0, 1]
    assert (0, 1) not in taken[0]
    assert sorted(place for step in taken for place in step) == sorted(player.started)
    assert all(step - version <= 2 for (step, _), version in player.started.items())
    assert [len(step) for step in taken] == [GROUPS] * STEPS


def test_a_group_that_would_be_too_old_is_waited_for_unless_others_take_a_fraction_of_its_time():
    steady = Player(lambda step, number: 0.12 if (step, number) == (0, 1) else 0.06)
    taken = train(steady, ahead=1, in_flight=True)
    assert (0, 1) in taken[0] + taken[1]
    hung = Player(lambda step, number: 1.0 if (step, number) == (0, 1) else 0.06)
    started = time.perf_counter()
    taken = train(hung, ahead=1, in_flight=True)
    assert (0, 1) not in taken[0] + taken[1]
    assert time.perf_counter() - started > 1.0  # the last step takes what is left


def test_what_breaks_a_group_is_raised_where_its_episodes_are_waited_for():
    player = Player(breaks=lambda step, number: (step, number) == (2, 0))
    with pytest.raises(OSError, match="the engine is gone"):
        train(player, ahead=0, in_flight=False)
    assert not any(step > 2 for step, _ in player.started)


def test_leaving_gives_up_what_never_ends():
    player = Player(lambda step, number: 3600)
    before = set(threading.enumerate())
    started = time.perf_counter()
    with RolloutStream(player.play, questions_of, first=0, steps=1, ahead=0, in_flight=False) as stream:
        stream.change_weights(lambda: player.change(0), version=0)
    assert time.perf_counter() - started < 5
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("ahead", [0, 2])
def test_what_an_engine_computes_is_computed_by_the_thread_that_trains(ahead):
    """Also while it trains, between its passes."""
    lane, threads, mine = Lane(), [], threading.current_thread().name
    computed = threading.Semaphore(0)

    async def play(question, step):
        for _ in range(3):
            threads.append(await lane.do(lambda: computed.release() or threading.current_thread().name))
        return [SimpleNamespace(step=step, number=int(question.id))]

    with RolloutStream(play, questions_of, first=0, steps=4, ahead=ahead, in_flight=True, lane=lane) as stream:
        stream.change_weights(Player().change_now, version=0)
        assert len(stream.take(0)) == GROUPS
        before = len(threads)
        while ahead and computed.acquire(timeout=0.1):
            stream.give_way()
        assert len(threads) == (3 * GROUPS * (1 + ahead) if ahead else before)
    assert set(threads) == {mine}


def test_a_resumed_run_begins_with_its_own_step():
    player = Player()
    with RolloutStream(player.play, questions_of, first=4, steps=STEPS, ahead=2, in_flight=True) as stream:
        stream.change_weights(lambda: player.change(4), version=4)
        assert [one.step for one in stream.take(4)] == [4] * GROUPS
    assert {step for step, _ in player.started} == {4, 5}


def test_a_resumed_run_takes_each_group_once_and_none_is_forgotten(tmp_path):
    slow = Player(lambda step, number: 0.4 if (step, number) == (0, 1) else 0.0)
    taken = []
    with RolloutStream(slow.play, questions_of, first=0, steps=STEPS, ahead=2, in_flight=True) as stream:
        stream.change_weights(lambda: slow.change(0), version=0)
        for step in range(2):
            taken += [(one.step, one.number) for one in stream.take(step)]
            stream.change_weights(lambda step=step: slow.change(step + 1), version=step + 1)
        stream.ledger(2).write(tmp_path / "ledger.json")
    ledger = Ledger.read(tmp_path / "ledger.json")
    assert (0, 1) in ledger.owed and len(ledger.ahead) == len(ledger.owed) > 0
    player = Player()
    with RolloutStream(
        player.play, questions_of, first=2, steps=STEPS, ahead=2, in_flight=True, ledger=ledger
    ) as stream:
        stream.change_weights(lambda: player.change(2), version=2)
        for step in range(2, STEPS):
            taken += [(one.step, one.number) for one in stream.take(step)]
            stream.change_weights(lambda step=step: player.change(step + 1), version=step + 1)
        assert stream.ledger(STEPS) == Ledger()
    assert sorted(taken) == [(step, number) for step in range(STEPS) for number in range(GROUPS)]


def test_a_group_that_is_cancelled_by_somebody_else_is_an_error_and_no_hang():
    async def play(question, step):
        raise asyncio.CancelledError

    with RolloutStream(play, questions_of, first=0, steps=1, ahead=0, in_flight=False) as stream:
        with pytest.raises(asyncio.CancelledError):
            stream.change_weights(Player().change_now, version=0)
            stream.take(0)
