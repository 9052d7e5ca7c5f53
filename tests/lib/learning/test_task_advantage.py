"""Domains of different scales pull equally hard, and what is measured over tokens is measured over all ranks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.learning.policy_loss import policy_loss
from lib.learning.task_advantage import normalize_by_task, weigh_domains
from lib.learning.token_batch import Sample, make_micro_batches

AMONG = ["knowledge", "sql"]


def sample(advantage, tokens=4):
    return Sample(list(range(tokens + 1)), [False] + [True] * tokens, [0.0] + [-1.0] * tokens, advantage)


def normalize(samples, domains):
    return normalize_by_task(samples, domains, among=AMONG, total=lambda value: value)


SAMPLES = [sample(1.0), sample(-1.0, tokens=2), sample(10.0, tokens=3), sample(-4.0), sample(-4.0)]
DOMAINS = ["knowledge", "knowledge", "sql", "sql", "sql"]


def test_every_domain_has_mean_0_and_deviation_1_over_its_action_tokens():
    normalized = normalize(SAMPLES, DOMAINS)
    for domain in AMONG:
        rows = [item for item, name in zip(normalized, DOMAINS, strict=True) if name == domain]
        values = np.concatenate([np.full(sum(row.trained), row.advantage) for row in rows])
        assert values.mean() == pytest.approx(0, abs=1e-6)
        assert values.std() == pytest.approx(1, abs=1e-5)
    assert [item.tokens for item in normalized] == [item.tokens for item in SAMPLES]


def test_by_hand():
    # sql: 3 tokens of 10 and 8 of -4; mean -2/11, variance 3/11 * (10 + 2/11)^2 + 8/11 * (-4 + 2/11)^2
    mean = -2 / 11
    deviation = (3 / 11 * (10 - mean) ** 2 + 8 / 11 * (-4 - mean) ** 2) ** 0.5
    assert normalize(SAMPLES, DOMAINS)[2].advantage == pytest.approx((10 - mean) / (deviation + 1e-6))


def loss_of(samples):
    (batch,) = make_micro_batches(samples, max_nodes=1000)
    logprobs = torch.linspace(-2, -0.5, len(batch.behaviour_logprobs))
    loss = policy_loss(
        logprobs,
        behaviour_logprobs=batch.behaviour_logprobs,
        proximal_logprobs=batch.behaviour_logprobs,
        advantages=batch.advantages,
        clip_low=0.2,
        clip_high=0.28,
        importance_cap=2.0,
    ).loss
    return loss.item()


def test_the_loss_changes_with_it():
    assert abs(loss_of(normalize(SAMPLES, DOMAINS)) - loss_of(SAMPLES)) > 1


def test_a_domain_that_is_alone_on_another_rank_is_measured_with_that_rank_s_sums():
    """Two ranks, each with half of the samples, come to what one with all of them does."""
    whole = normalize(SAMPLES, DOMAINS)
    halves = [(SAMPLES[:3], DOMAINS[:3]), (SAMPLES[3:], DOMAINS[3:])]
    calls: list[list[float]] = [[], []]
    results: list = [None, None]
    # Every reduction is the sum of what both ranks bring to it, in the order in which they bring it.
    for _ in range(2 * 3 + 1):
        for rank, (samples, domains) in enumerate(halves):
            seen = iter(range(100))

            def total(value, rank=rank, seen=seen):
                place = next(seen)
                del calls[rank][place:]
                calls[rank].append(value)
                other = calls[1 - rank]
                return value + (other[place] if place < len(other) else 0.0)

            results[rank] = normalize_by_task(samples, domains, among=AMONG, total=total)
    found = [item.advantage for item in (*results[0], *results[1])]
    assert found == pytest.approx([item.advantage for item in whole])


def test_a_domain_without_samples_or_spread_stays_finite():
    assert [item.advantage for item in normalize([sample(2.0), sample(2.0)], ["sql", "sql"])] == [0.0, 0.0]
    assert normalize([], []) == []


def test_a_domain_pulls_as_hard_as_it_is_told_and_others_as_before():
    weighed = weigh_domains(SAMPLES, DOMAINS, {"sql": 0.25})
    assert [item.advantage for item in weighed] == [1.0, -1.0, 2.5, -1.0, -1.0]
    assert [item.tokens for item in weighed] == [item.tokens for item in SAMPLES]
