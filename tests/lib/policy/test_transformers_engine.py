"""The engine gives what a plain forward pass gives, for many episodes at once and across turns."""

from __future__ import annotations

import asyncio

import pytest
import torch

from lib.errors import PolicyError
from lib.policy.engine import Completion, Finish
from lib.policy.load import load_model
from tests.small_engine import engine_over, prompts, request, sample_all


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


def test_a_full_slot_ends_the_turn_for_length(model):
    (got,) = sample_all(engine_over(model, capacity=32), [request("a", list(range(5, 25)), new=100)])
    assert got.finish is Finish.LENGTH
    assert 20 + len(got.tokens) <= 32


def test_a_prompt_longer_than_a_slot_is_refused(model):
    (got,) = sample_all(engine_over(model, capacity=16), [request("a", [5] * 16)])
    assert isinstance(got, PolicyError) and "engine.max_tokens" in str(got)


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
