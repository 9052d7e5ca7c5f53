"""A forest of prefixes computes what the sequences compute one by one, and nothing of an observation is learned."""

from __future__ import annotations

import copy

import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.token_batch import MicroBatch, Sample, make_micro_batches
from lib.policy.attention import Forest
from lib.policy.load import load_model

# Few distinct tokens, so that sequences share beginnings of every length.
TOKENS = st.lists(st.integers(3, 5), min_size=2, max_size=40)


@st.composite
def samples(draw):
    tokens = draw(TOKENS)
    trained = draw(st.lists(st.booleans(), min_size=len(tokens), max_size=len(tokens)))
    logprobs = [-0.01 * place for place in range(len(tokens))]
    return Sample(tokens, trained, logprobs, draw(st.floats(-2, 2)))


def attended(forest: Forest, node: int) -> torch.Tensor:
    """The nodes that a node attends to, in the order of the path."""
    number, place = divmod(int(forest.rows[node]), forest.queries.shape[1])
    assert forest.queries[number, place] == node
    return forest.keys[number][forest.mask[number, 0, place]]


def prefixes(batch: MicroBatch) -> list[tuple[int, ...]]:
    """The tokens that each node sees, itself included, in the order of their depth."""
    seen = []
    for node in range(len(batch.ids)):
        row = torch.arange(node + 1) if batch.forest is None else attended(batch.forest, node)
        assert batch.positions[0, row].tolist() == list(range(len(row)))
        seen.append(tuple(batch.ids[row].tolist()))
    return seen


@given(st.lists(samples(), min_size=1, max_size=12), st.integers(16, 200))
def test_every_prefix_is_one_node_and_every_trained_token_is_predicted_from_its_own(items, limit):
    batches = make_micro_batches(items, max_nodes=limit)
    assert sum(batch.num_tokens for batch in batches) == sum(len(s.tokens) for s in items)
    found = []
    for batch in batches:
        seen = prefixes(batch)
        assert len(set(seen)) == len(seen)
        assert len(seen) <= limit or len(seen) == batch.num_tokens
        for place, behaviour, advantage in zip(batch.place, batch.behaviour_logprobs, batch.advantages, strict=True):
            prefix = (*seen[int(batch.source[place])], int(batch.target[place]))
            found.append((prefix, round(behaviour.item(), 4), round(advantage.item(), 4)))
    wanted = [
        (tuple(s.tokens[: i + 1]), round(s.behaviour_logprobs[i], 4), round(torch.tensor(s.advantage).item(), 4))
        for s in items
        for i in range(1, len(s.tokens))
        if s.trained[i]
    ]
    assert sorted(found) == sorted(wanted)


def branching_episodes() -> list[Sample]:
    """Two questions; the episodes of each share the question, some a first turn, and two are equal."""
    start, first, second = list(range(10, 30)), list(range(40, 55)), list(range(60, 70))
    sequences = [
        [*start, *first, 71, 72, 73],
        [*start, *first, 71, 75, 76, 77, 78],
        [*start, *first, 71, 75, 76, 77, 78],
        [*start, 80, 81, 82],
        [*start[:5], *second, 90, 91],
        [*start[:5], *second, 92],
    ]
    trained = [[place > 18 for place in range(len(tokens))] for tokens in sequences]
    trained[4] = trained[5] = [False] * 13 + [True] * 4
    trained[5] = trained[5][: len(sequences[5])]
    return [
        Sample(tokens, mask, [0.0] * len(tokens), advantage=0.5 * number - 1)
        for number, (tokens, mask) in enumerate(zip(sequences, trained, strict=True))
    ]


def advantage_weighted(model: torch.nn.Module, batches: list[MicroBatch]) -> tuple[float, list[torch.Tensor]]:
    wrapped = ActionLogProbs(model, dtype=torch.float32)
    total = sum((wrapped(batch) * batch.advantages).sum() for batch in batches)
    total.backward()
    return total.item(), [parameter.grad for parameter in model.parameters()]


def test_sharing_beginnings_changes_neither_loss_nor_gradient(world_policy):
    model = load_model(world_policy / "checkpoint")
    items = branching_episodes()
    together = make_micro_batches(items, max_nodes=500)
    assert len(together) == 1
    assert len(together[0].ids) < 0.6 * together[0].num_tokens
    alone = [batch for item in items for batch in make_micro_batches([item], max_nodes=500)]
    loss, gradients = advantage_weighted(copy.deepcopy(model), together)
    plain_loss, plain_gradients = advantage_weighted(model, alone)
    assert abs(loss - plain_loss) < 1e-4
    assert plain_loss != 0
    for gradient, plain in zip(gradients, plain_gradients, strict=True):
        assert torch.allclose(gradient, plain, atol=1e-4)


def test_chunked_logprobs_and_gradients_equal_plain_ones(world_policy, monkeypatch):
    from lib.learning import action_logprobs

    model = load_model(world_policy / "checkpoint")
    wrapped = ActionLogProbs(model, dtype=torch.float32)
    (batch,) = make_micro_batches([Sample(list(range(10, 50)), [True] * 40, [0.0] * 40)], max_nodes=100)
    logits = model(batch.ids[None]).logits[0, :-1].log_softmax(-1)
    plain = logits.gather(1, batch.target[:, None])[:, 0]
    plain.sum().backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    monkeypatch.setattr(action_logprobs, "CHUNK", 7)
    chunked = wrapped(batch)
    chunked.sum().backward()
    assert torch.allclose(chunked, plain, atol=1e-5)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-4)


def test_inserting_an_observation_changes_no_training_quantity_but_context():
    before = Sample([5, 6, 7, 8], [False, True, False, True], [0.0, -1.0, 0.0, -2.0], 1.5)
    after = Sample([5, 6, 99, 98, 7, 8], [False, True, False, False, False, True], [0, -1.0, 0, 0, 0, -2.0], 1.5)
    (a,), (b,) = (make_micro_batches([s], max_nodes=64) for s in (before, after))
    assert a.target.tolist() == b.target.tolist()
    assert a.behaviour_logprobs.tolist() == b.behaviour_logprobs.tolist()
    assert a.advantages.tolist() == b.advantages.tolist()
