"""Who waits for whom: turns for slots, passes for the thread that serves, everybody for nobody that is gone."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import nullcontext

import pytest

from lib.policy.engine import Finish
from tests.small_engine import engine_over, prompts, request, sample_all


def test_more_sessions_than_slots_wait_for_their_turn(model):
    engine = engine_over(model, slots=2)

    async def play(session, prompt):
        completion = await engine.sample(request(session, prompt))
        engine.release(session)
        return completion

    async def run():
        return await asyncio.gather(*[play(str(i), p) for i, p in enumerate(prompts(7))])

    got = asyncio.run(run())
    assert [len(completion.tokens) for completion in got] == [12] * 7


def test_an_episode_given_up_in_the_middle_of_a_turn_leaves_the_others_as_they_were(model):
    engine = engine_over(model)

    async def play(session, prompt):
        try:
            return await engine.sample(request(session, prompt, new=30, seed=int(session)))
        finally:
            engine.release(session)

    async def run(*, given_up):
        tasks = [asyncio.create_task(play(str(i), p)) for i, p in enumerate(prompts(4))]
        for _ in range(60):  # some decoding steps
            await asyncio.sleep(0)
        if given_up:
            tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    whole, cut = (asyncio.run(run(given_up=given_up)) for given_up in (False, True))
    assert isinstance(cut[0], asyncio.CancelledError)
    assert [completion.tokens for completion in cut[1:]] == [completion.tokens for completion in whole[1:]]


def test_passes_are_computed_by_the_thread_that_serves_and_give_what_they_give_elsewhere(model, loop, monkeypatch):
    requests = [request(str(i), p, seed=i) for i, p in enumerate(prompts(5))]
    alone = sample_all(engine_over(model), requests)
    engine, threads = engine_over(model), set()
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda **given: threads.add(threading.current_thread()) or forward(**given))

    async def run():
        return await asyncio.gather(*[engine.sample(r) for r in requests])

    with engine.lane.served():
        result = asyncio.run_coroutine_threadsafe(run(), loop)
        engine.lane.serve_until(result)
    assert [completion.tokens for completion in result.result()] == [completion.tokens for completion in alone]
    assert threads == {threading.current_thread()}


def test_a_thread_that_stops_serving_in_the_middle_of_turns_leaves_no_slot_taken(model, loop, monkeypatch):
    engine, enough = engine_over(model, slots=3), Future()
    forward, passes = model.forward, iter(range(10_000))

    def pass_of(**given):
        if next(passes) == 5:
            enough.set_result(None)
        return forward(**given)

    monkeypatch.setattr(model, "forward", pass_of)

    async def play(number, prompt):
        try:
            return await engine.sample(request(f"given up {number}", prompt, new=90))
        finally:
            engine.release(f"given up {number}")

    async def run():
        return await asyncio.gather(*[play(i, p) for i, p in enumerate(prompts(5))])

    with engine.lane.served():
        result = asyncio.run_coroutine_threadsafe(run(), loop)
        engine.lane.serve_until(enough)
    assert not result.done()
    result.cancel()

    async def settle():
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(settle(), loop).result(5)
    completions = sample_all(engine, [request(str(i), prompt) for i, prompt in enumerate(prompts(3))])
    assert [completion.finish for completion in completions] == [Finish.LENGTH] * 3


async def play_two_turns(engine, name, *, returns, seed=0, new=12):
    """A second turn as soon as the tool returns."""
    prompt = prompts(2)[seed]
    first = await engine.sample(request(name, prompt, seed=seed, new=new))
    await returns.wait()
    second = await engine.sample(request(name, prompt + first.tokens + [5, 6], seed=seed, new=new))
    engine.release(name)
    return second


def test_sessions_that_hold_all_slots_go_on_after_new_weights(model):
    """Their turns come in just before the update, when the engine has nothing to do."""
    engine = engine_over(model, slots=2)

    async def run():
        returns = asyncio.Event()
        played = [asyncio.create_task(play_two_turns(engine, str(i), returns=returns, seed=i)) for i in range(2)]
        while engine._turns or not engine.num_passes:
            await asyncio.sleep(0)
        returns.set()
        while len(engine._turns) < 2:  # handed in, and not taken in
            await asyncio.sleep(0)
        await engine.update_weights(model.state_dict().items(), version=1)
        async with asyncio.timeout(30):
            return await asyncio.gather(*played)

    assert [turn.policy_version for turn in asyncio.run(run())] == [1, 1]


def test_a_turn_that_comes_while_prompts_are_computed_does_not_wait_for_somebody_to_leave(model):
    engine = engine_over(model, slots=2)

    async def run():
        returns, never = asyncio.Event(), asyncio.Event()
        waits = asyncio.create_task(play_two_turns(engine, "a", returns=returns))
        while engine._turns or not engine.num_passes:
            await asyncio.sleep(0)
        compute, passes = engine._batcher._compute, []

        def compute_and_bring_the_other_s_turn(batch):
            compute(batch)
            if not passes:
                passes.append(batch)
                returns.set()

        engine._batcher._compute = compute_and_bring_the_other_s_turn
        holds = asyncio.create_task(play_two_turns(engine, "b", returns=never, seed=1, new=1))  # a single pass
        async with asyncio.timeout(30):
            second = await waits
        holds.cancel()
        return second

    assert asyncio.run(run()).finish == Finish.LENGTH


def test_memory_of_slots_is_given_back_while_turns_go_on(model):
    engine = engine_over(model, slots=2)
    alone = sample_all(engine_over(model, slots=2), [request("0", prompts(1)[0], new=40)])

    async def run():
        turn = asyncio.create_task(engine.sample(request("0", prompts(1)[0], new=40)))
        while engine.num_passes < 10:
            await asyncio.sleep(0)
        cleared = []
        cache = engine._batcher._cache
        clear, cache.clear = cache.clear, lambda: cleared.append(clear())
        await engine.update_weights(model.state_dict().items(), version=1)
        assert cleared and not cache._keys
        return await turn

    assert asyncio.run(run()).tokens == alone[0].tokens


@pytest.mark.parametrize("is_served", [False, True])
def test_a_pass_that_breaks_fails_every_turn_and_the_next_one_is_sampled(model, loop, monkeypatch, is_served):
    engine = engine_over(model, slots=2)
    alone = sample_all(engine_over(model, slots=2), [request("x", prompts(1)[0])])
    forward = model.forward

    def breaks(**given):
        raise RuntimeError("out of memory")

    async def run(requests):
        return await asyncio.gather(*[engine.sample(r) for r in requests], return_exceptions=True)

    def sample(requests):
        result = asyncio.run_coroutine_threadsafe(run(requests), loop)
        if is_served:
            engine.lane.serve_until(result)
        return result.result(30)

    with engine.lane.served() if is_served else nullcontext():
        monkeypatch.setattr(model, "forward", breaks)
        failed = sample([request(str(i), p) for i, p in enumerate(prompts(5))])
        assert [str(error) for error in failed] == ["out of memory"] * 5
        for number in range(5):
            engine.release(str(number))
        monkeypatch.setattr(model, "forward", forward)
        (completion,) = sample([request("x", prompts(1)[0])])
    assert completion.tokens == alone[0].tokens


def test_a_broken_model_fails_every_waiting_session_instead_of_hanging(model):
    engine = engine_over(model)
    bad = [request("a", prompts(1)[0]), request("b", [10**9] * 5)]
    got = sample_all(engine, bad)
    assert all(isinstance(item, Exception) for item in got)
