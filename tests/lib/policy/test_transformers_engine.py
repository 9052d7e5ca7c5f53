"""The engine gives what a plain forward pass gives, for many episodes at once and across turns."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import nullcontext

import pytest
import torch

from lib.errors import PolicyError
from lib.policy.engine import Completion, Finish, SampleRequest
from lib.policy.load import load_model
from lib.policy.transformers_engine import TransformersEngine

NO_STOP = frozenset({-1})


@pytest.fixture
def model(world_policy):
    return load_model(world_policy / "checkpoint")


def engine_over(model, *, slots=8, capacity=128, dtype=torch.float32):
    return TransformersEngine(model, max_concurrent=slots, max_tokens=capacity, dtype=dtype)


def request(session, prompt, *, new=12, temperature=1.0, stop=NO_STOP, seed=0, top_p=1.0):
    return SampleRequest(session, prompt, new, temperature, top_p, stop, seed)


def prompts(count):
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(5, 30, (count,), generator=generator).tolist()
    return [torch.randint(3, 300, (length,), generator=generator).tolist() for length in lengths]


def sample_all(engine, requests):
    async def run():
        return await asyncio.gather(*[engine.sample(r) for r in requests], return_exceptions=True)

    return asyncio.run(run())


def full_logprobs(model, tokens, count):
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].float().log_softmax(-1)
    return logits[-count - 1 : -1].gather(1, torch.tensor(tokens[-count:])[:, None])[:, 0]


def test_greedy_tokens_equal_those_of_generate(model):
    wanted = []
    for prompt in prompts(6):
        output = model.generate(
            torch.tensor([prompt]), max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        wanted.append(output[0, len(prompt) :].tolist())
    engine = engine_over(model)
    got = sample_all(engine, [request(str(i), p, temperature=0.0) for i, p in enumerate(prompts(6))])
    assert [completion.tokens for completion in got] == wanted


def test_logprobs_across_turns_equal_one_full_pass(model):
    engine = engine_over(model)

    async def two_turns(session, prompt):
        first = await engine.sample(request(session, prompt, seed=1))
        longer = prompt + first.tokens + [5, 6, 7, 8]
        second = await engine.sample(request(session, longer, seed=2))
        return longer + second.tokens, second

    async def run():
        return await asyncio.gather(*[two_turns(str(i), p) for i, p in enumerate(prompts(8))])

    for tokens, second in asyncio.run(run()):
        expected = full_logprobs(model, tokens, len(second.tokens))
        assert torch.allclose(torch.tensor(second.logprobs), expected, atol=1e-4)


def test_a_turn_that_goes_on_in_another_tile_keeps_what_it_held(model, monkeypatch):
    monkeypatch.setattr("lib.policy.slot_cache.TILE", 7)  # every few tokens
    for completion, prompt in zip(
        sample_all(engine_over(model), [request(str(i), p) for i, p in enumerate(prompts(4))]), prompts(4), strict=True
    ):
        expected = full_logprobs(model, prompt + completion.tokens, len(completion.tokens))
        assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=1e-4)


def test_new_weights_in_bfloat16_are_those_that_are_sampled_with(model, world_policy):
    changed = load_model(world_policy / "checkpoint")
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(1.2)
    engine = engine_over(load_model(world_policy / "checkpoint"), dtype=torch.bfloat16)
    asyncio.run(engine.update_weights(changed.state_dict().items(), version=1))
    prompt = prompts(1)[0]
    (completion,) = sample_all(engine, [request("a", prompt)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        old, new = (full_logprobs(m, prompt + completion.tokens, len(completion.tokens)) for m in (model, changed))
    assert torch.allclose(torch.tensor(completion.logprobs), new, atol=0.1)
    assert not torch.allclose(torch.tensor(completion.logprobs), old, atol=0.1)


def test_bfloat16_stays_close_to_autocast(model, world_policy):
    engine = engine_over(load_model(world_policy / "checkpoint"), dtype=torch.bfloat16)
    prompt = prompts(1)[0]
    (completion,) = sample_all(engine, [request("a", prompt)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = full_logprobs(model, prompt + completion.tokens, len(completion.tokens))
    assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=0.1)


def test_equal_requests_give_equal_tokens_whoever_else_is_there(model):
    alone = sample_all(engine_over(model), [request("a", prompts(1)[0], seed=9)])[0]
    crowd = [request("a", prompts(1)[0], seed=9)] + [request(f"b{i}", p, seed=i) for i, p in enumerate(prompts(5))]
    assert sample_all(engine_over(model), crowd)[0].tokens == alone.tokens


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


def test_equal_prompts_are_computed_once(model):
    engine = engine_over(model)
    prompt = prompts(1)[0]
    sample_all(engine, [request(str(i), prompt, seed=i) for i in range(6)])
    assert engine.num_prompt_tokens == len(prompt) - 1


def test_questions_that_arrive_at_once_have_what_they_share_computed_once(model):
    engine = engine_over(model)
    system = prompts(1)[0] * 4
    requests = [request(f"{i}{twin}", system + p, seed=i) for i, p in enumerate(prompts(4)) for twin in "ab"]
    longest = max(len(p) for p in prompts(4))
    got = sample_all(engine, requests)
    assert engine.num_prompt_tokens < len(system) + 4 * longest
    for one, completion in zip(requests, got, strict=True):
        expected = full_logprobs(model, one.prompt + completion.tokens, len(completion.tokens))
        assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=1e-4)


@pytest.mark.parametrize("temperature", [0.0, 0.05])
def test_guessed_tokens_save_passes_and_change_nothing_else(model, monkeypatch, temperature):
    def play():
        engine, passes = engine_over(model), []
        decode = engine._batcher._runner.decode
        monkeypatch.setattr(engine._batcher._runner, "decode", lambda batch: passes.append(len(batch)) or decode(batch))
        # Alike in the middle, so that all end in the same few words said again and again.
        requests = [request(str(i), p[:4] + [7, 8, 9] * 5, new=70, temperature=temperature, seed=i) for i, p in cases]
        return requests, sample_all(engine, requests), len(passes)

    cases = list(enumerate(prompts(6)))
    requests, guessed, num_passes = play()
    monkeypatch.setattr("lib.policy.drafts.LONGEST", 0)
    _, plain, num_plain_passes = play()
    assert [completion.tokens for completion in guessed] == [completion.tokens for completion in plain]
    assert num_plain_passes == 70 and num_passes < 50
    for one, completion in zip(requests, guessed, strict=True):
        if temperature == 0.0:  # as at temperature 1
            expected = full_logprobs(model, one.prompt + completion.tokens, len(completion.tokens))
            assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=1e-4)


def test_samples_of_one_prompt_differ_by_their_seed(model):
    got = sample_all(engine_over(model), [request(str(i), prompts(1)[0], seed=i) for i in range(6)])
    assert len({tuple(completion.tokens) for completion in got}) > 1


def test_a_stop_token_ends_the_turn_and_is_kept(model):
    greedy = sample_all(engine_over(model), [request("a", prompts(1)[0], temperature=0.0)])[0].tokens
    stop = frozenset({greedy[2]})
    (got,) = sample_all(engine_over(model), [request("a", prompts(1)[0], temperature=0.0, stop=stop)])
    cut = greedy[: greedy.index(greedy[2]) + 1]
    assert (got.tokens, got.finish) == (cut, Finish.STOP)


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


def test_a_full_slot_ends_the_turn_for_length(model):
    (got,) = sample_all(engine_over(model, capacity=32), [request("a", list(range(5, 25)), new=100)])
    assert got.finish is Finish.LENGTH
    assert 20 + len(got.tokens) <= 32


def test_a_prompt_longer_than_a_slot_is_refused(model):
    (got,) = sample_all(engine_over(model, capacity=16), [request("a", [5] * 16)])
    assert isinstance(got, PolicyError) and "engine.max_tokens" in str(got)


def test_a_broken_model_fails_every_waiting_session_instead_of_hanging(model):
    engine = engine_over(model)
    bad = [request("a", prompts(1)[0]), request("b", [10**9] * 5)]
    got = sample_all(engine, bad)
    assert all(isinstance(item, Exception) for item in got)


def test_new_weights_change_what_is_sampled_and_the_version(model, world_policy):
    for dtype in (torch.float32, torch.bfloat16):
        engine = engine_over(load_model(world_policy / "checkpoint"), dtype=dtype)
        before: Completion = sample_all(engine, [request("a", prompts(1)[0], temperature=0.0)])[0]
        engine.release("a")
        changed = load_model(world_policy / "checkpoint")
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in changed.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        asyncio.run(engine.update_weights(changed.named_parameters(remove_duplicate=False), version=3))
        after = sample_all(engine, [request("a", prompts(1)[0], temperature=0.0)])[0]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            expected = full_logprobs(changed, prompts(1)[0] + after.tokens, len(after.tokens))
        assert after.policy_version == 3 and before.policy_version == 0
        assert after.tokens != before.tokens
        assert torch.allclose(torch.tensor(after.logprobs), expected, atol=1e-4 if dtype == torch.float32 else 0.15)


@pytest.mark.parametrize("tile", [128, 8])
def test_logprobs_stay_exact_while_episodes_join_leave_and_change_slots(model, monkeypatch, tile):
    if tile == 8:  # as many parts and moves as can be
        monkeypatch.setattr("lib.policy.slot_cache.TILE", tile)
        monkeypatch.setattr("lib.policy.row_parts.WORTH", 0)
        monkeypatch.setattr("lib.policy.session_slots.WORTH_SORTING", 0.0)
    engine = engine_over(model, slots=5, capacity=160)
    stop = frozenset(range(3, 90))  # often sampled, so that turns end at different times

    async def play(number, prompt):
        tokens, spans = list(prompt), []
        for turn in range(3):
            completion = await engine.sample(request(str(number), tokens, new=15, stop=stop, seed=100 * number + turn))
            tokens = tokens + completion.tokens
            spans.append((len(tokens) - len(completion.tokens), completion.logprobs))
            tokens = tokens + [7 + number] * (1 + (number * 5 + turn * 3) % 11)
        engine.release(str(number))
        return tokens, spans

    async def run():
        shared = prompts(4)
        return await asyncio.gather(*[play(n, shared[n % 4]) for n in range(16)])

    for tokens, spans in asyncio.run(run()):
        for start, logprobs in spans:
            expected = full_logprobs(model, tokens[: start + len(logprobs)], len(logprobs))
            assert torch.allclose(torch.tensor(logprobs), expected, atol=1e-3)


def test_weights_that_change_in_the_middle_of_turns_change_what_follows_and_nothing_before(model, world_policy):
    changed = load_model(world_policy / "checkpoint")
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    engine = engine_over(load_model(world_policy / "checkpoint"), slots=4)

    async def run():
        turns = [
            asyncio.create_task(engine.sample(request(str(i), p, new=40, seed=i))) for i, p in enumerate(prompts(6))
        ]
        while engine.num_passes < 15:  # four have begun, two wait for a slot
            await asyncio.sleep(0)
        (probed,) = await engine.update_weights(changed.state_dict().items(), version=1, probe=prompts(1)[0])
        first = await asyncio.gather(*turns[:4])
        for number in range(4):
            engine.release(str(number))
        return probed, first, await asyncio.gather(*turns[4:])

    probed, begun, waiting = asyncio.run(run())
    assert torch.allclose(
        torch.tensor(probed), full_logprobs(changed, prompts(1)[0], len(prompts(1)[0]) - 1), atol=1e-4
    )
    for completion, prompt in zip(begun, prompts(6), strict=False):
        old, new = (full_logprobs(m, prompt + completion.tokens, 40) for m in (model, changed))
        own = torch.tensor(completion.logprobs)
        by_old, by_new = (own - old).abs() < 1e-4, (own - new).abs() < 1e-4
        num_old = int(by_old.long().cumprod(0).sum())
        assert 0 < num_old < 40
        assert by_new[num_old:].all()
        assert completion.policy_version == 0
    for completion, prompt in zip(waiting, prompts(6)[4:], strict=True):
        assert completion.policy_version == 1
        assert torch.allclose(
            torch.tensor(completion.logprobs), full_logprobs(changed, prompt + completion.tokens, 40), atol=1e-4
        )
