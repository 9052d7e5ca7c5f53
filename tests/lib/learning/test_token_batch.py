"""Micro-batches hold every trained token once, and nothing of an observation reaches the loss."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.token_batch import Sample, make_micro_batches
from lib.policy.load import load_model

TOKENS = st.lists(st.integers(3, 300), min_size=2, max_size=40)


@st.composite
def samples(draw):
    tokens = draw(TOKENS)
    trained = draw(st.lists(st.booleans(), min_size=len(tokens), max_size=len(tokens)))
    logprobs = [-0.01 * place for place in range(len(tokens))]
    return Sample(tokens, trained, logprobs, draw(st.floats(-2, 2)))


@given(st.lists(samples(), min_size=1, max_size=12), st.integers(16, 200))
def test_every_trained_token_is_predicted_once(items, limit):
    batches = make_micro_batches(items, max_tokens=limit)
    wanted = sorted(token for s in items for token, t in zip(s.tokens[1:], s.trained[1:], strict=True) if t)
    assert sorted(token for batch in batches for token in batch.target.tolist()) == wanted
    assert sum(batch.num_tokens for batch in batches) == sum(len(s.tokens) for s in items)
    for batch in batches:
        assert batch.ids.numel() <= limit or batch.ids.shape[0] == 1
        assert torch.equal(batch.ids.flatten()[batch.source + 1], batch.target)


def test_padding_and_neighbours_change_no_logprob(world_policy):
    model = ActionLogProbs(load_model(world_policy / "checkpoint"), dtype=torch.float32)
    short = Sample([5, 6, 7, 8], [False, True, True, True], [0.0] * 4)
    long = Sample(list(range(10, 30)), [True] * 20, [0.0] * 20)
    (together,) = make_micro_batches([short, long], max_tokens=100)
    (alone,) = make_micro_batches([short], max_tokens=100)
    with torch.no_grad():
        first = model(alone.ids, alone.source, alone.target)
        both = model(together.ids, together.source, together.target)
    assert torch.allclose(both[:3], first, atol=1e-5)


def test_chunked_logprobs_and_gradients_equal_plain_ones(world_policy, monkeypatch):
    from lib.learning import action_logprobs

    model = load_model(world_policy / "checkpoint")
    wrapped = ActionLogProbs(model, dtype=torch.float32)
    (batch,) = make_micro_batches([Sample(list(range(10, 50)), [True] * 40, [0.0] * 40)], max_tokens=100)
    logits = model(batch.ids).logits[0, :-1].log_softmax(-1)
    plain = logits.gather(1, batch.target[:, None])[:, 0]
    plain.sum().backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    monkeypatch.setattr(action_logprobs, "CHUNK", 7)
    chunked = wrapped(batch.ids, batch.source, batch.target)
    chunked.sum().backward()
    assert torch.allclose(chunked, plain, atol=1e-5)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-4)


def test_inserting_an_observation_changes_no_training_quantity_but_context():
    before = Sample([5, 6, 7, 8], [False, True, False, True], [0.0, -1.0, 0.0, -2.0], 1.5)
    after = Sample([5, 6, 99, 98, 7, 8], [False, True, False, False, False, True], [0, -1.0, 0, 0, 0, -2.0], 1.5)
    (a,), (b,) = (make_micro_batches([s], max_tokens=64) for s in (before, after))
    assert a.target.tolist() == b.target.tolist()
    assert a.behaviour_logprobs.tolist() == b.behaviour_logprobs.tolist()
    assert a.advantages.tolist() == b.advantages.tolist()
