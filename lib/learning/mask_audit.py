"""The audit before training: what is trained on, and whether every turn can end.

A policy that never sees a trained stop token never learns to stop; a mask that covers
observations teaches it to invent them. Both are silent, so both are gates.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lib.errors import GateError
from lib.percent import percent
from lib.settings.demonstrate import DemonstrateSettings


def audit_masks(episodes: pa.Table, *, stop_tokens: frozenset[int], limits: DemonstrateSettings) -> None:
    """Check the action masks of an episodes table. Raises GateError naming the first bad episode."""
    trained = total = 0
    columns = episodes.select(["id", "tokens", "action_mask", "turns"]).to_pylist()
    for row in columns:
        mask = np.asarray(row["action_mask"], dtype=bool)
        expected = np.zeros(len(mask), dtype=bool)
        for turn in row["turns"]:
            if turn["role"] != "assistant":
                continue
            expected[turn["start"] : turn["end"]] = True
            if row["tokens"][turn["end"] - 1] not in stop_tokens:
                raise GateError(
                    "an assistant turn does not end on a stop token, so that the policy would never learn to stop",
                    where=f"episode {row['id']}, turn at token {turn['start']}",
                )
        if not np.array_equal(mask, expected):
            place = int(np.flatnonzero(mask != expected)[0])
            raise GateError(
                "the action mask differs from the assistant's turns, so that other tokens than actions are trained",
                where=f"episode {row['id']}, token {place}",
            )
        trained += int(mask.sum())
        total += len(mask)
    share = trained / total if total else 0.0
    if not limits.min_trained_share <= share <= limits.max_trained_share:
        raise GateError(
            f"{percent(share)} of the tokens are trained, outside "
            f"[{limits.min_trained_share:.0%}, {limits.max_trained_share:.0%}]",
            next_step="change demonstrate.min_trained_share or max_trained_share if the episodes are as they should be",
        )
