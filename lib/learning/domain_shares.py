"""How many groups of a step belong to each domain.

In: the groups of a step, the domains that have questions, weights. Out: a fixed number for each, so that every step
mixes domains alike and what a domain's questions are in a step depends on that domain alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def share_groups(groups: int, domains: Sequence[str], weights: Mapping[str, float]) -> dict[str, int]:
    """Groups by domain, in the order given, each in turn to whom most is missing. Unnamed weights are 1.

    Every domain of a weight above 0 gets a group where there are enough.
    """
    wanted = {domain: weights.get(domain, 1.0) for domain in domains if weights.get(domain, 1.0) > 0}
    total = sum(wanted.values())
    exact = {domain: groups * weight / total for domain, weight in wanted.items()}
    shares = dict.fromkeys(wanted, int(groups >= len(wanted)))
    for _ in range(groups - sum(shares.values())):
        neediest = max(wanted, key=lambda domain: exact[domain] - shares[domain])
        shares[neediest] += 1
    return shares
