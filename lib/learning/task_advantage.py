"""Task advantage normalisation (AgentRL): domains whose rewards differ in scale pull equally hard.

Over the action tokens of each domain in a step: A~ = (A - mean_d(A)) / (std_d(A) + eps), after the advantages within
groups and before the loss. Without it a domain of long episodes, or of rewards that vary more, would decide where the
policy goes. The standard deviation is that of the population.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lib.learning.token_batch import Sample

EPSILON = 1e-6


def normalize_by_task(
    samples: Sequence[Sample], domains: Sequence[str], *, among: Sequence[str], total: Callable[[float], float]
) -> list[Sample]:
    """Samples with new advantages; ``domains`` names that of each.

    Args:
        among: all domains of the run, in one order on all ranks, of which this one may have none.
        total: reduces over ranks, as the statistics are those of the whole step.
    """
    statistics = {name: _statistics(samples, domains, name, total) for name in among}
    normalized = []
    for sample, domain in zip(samples, domains, strict=True):
        mean, deviation = statistics[domain]
        normalized.append(replace(sample, advantage=(sample.advantage - mean) / (deviation + EPSILON)))
    return normalized


def weigh_domains(samples: Sequence[Sample], domains: Sequence[str], pulls: Mapping[str, float]) -> list[Sample]:
    """Samples whose advantages are multiplied by the pull of their domain, 1 where none is named."""
    return [
        replace(sample, advantage=sample.advantage * pulls.get(domain, 1.0))
        for sample, domain in zip(samples, domains, strict=True)
    ]


def _statistics(
    samples: Sequence[Sample], domains: Sequence[str], name: str, total: Callable[[float], float]
) -> tuple[float, float]:
    """Mean and standard deviation over the action tokens of one domain."""
    pairs = [
        (sum(sample.trained), sample.advantage)
        for sample, domain in zip(samples, domains, strict=True)
        if domain == name
    ]
    tokens = total(float(sum(count for count, _ in pairs)))
    if tokens == 0:
        return 0.0, 0.0
    mean = total(sum(count * advantage for count, advantage in pairs)) / tokens
    variance = total(sum(count * (advantage - mean) ** 2 for count, advantage in pairs)) / tokens
    return mean, math.sqrt(variance)
