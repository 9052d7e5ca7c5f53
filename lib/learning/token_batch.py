"""Episodes -> micro-batches of tokens: right-padded, sorted by length, bounded in size.

Sequences never share a row, so that no attention crosses from one to another; sorting by length
keeps padding low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Sample:
    """One sequence to train on."""

    tokens: list[int]  # [num_tokens]
    trained: list[bool]  # [num_tokens]; the first token is never trained, nothing predicts it
    behaviour_logprobs: list[float]  # [num_tokens]
    advantage: float = 0.0


@dataclass(frozen=True)
class MicroBatch:
    """A padded block of sequences and, for each trained token, where it is predicted from."""

    ids: torch.Tensor  # [rows, width]
    source: torch.Tensor  # [num_trained] flat index of the position that predicts the token
    target: torch.Tensor  # [num_trained] the token
    behaviour_logprobs: torch.Tensor  # [num_trained]
    advantages: torch.Tensor  # [num_trained]
    num_tokens: int  # without padding

    def to(self, device: torch.device) -> MicroBatch:
        return MicroBatch(
            *(getattr(self, name).to(device) for name in ("ids", "source", "target", "behaviour_logprobs")),
            self.advantages.to(device),
            self.num_tokens,
        )


def make_micro_batches(samples: Sequence[Sample], *, max_tokens: int) -> list[MicroBatch]:
    """Group by length; a block holds at most ``max_tokens`` with padding, or a single sequence."""
    ordered = sorted(samples, key=lambda sample: len(sample.tokens))
    blocks: list[list[Sample]] = []
    for sample in ordered:
        if blocks and len(sample.tokens) * (len(blocks[-1]) + 1) <= max_tokens:
            blocks[-1].append(sample)
        else:
            blocks.append([sample])
    return [_pad(block) for block in blocks]


def _pad(block: list[Sample]) -> MicroBatch:
    width = max(len(sample.tokens) for sample in block)
    ids = torch.zeros(len(block), width, dtype=torch.long)
    source, target, behaviour, advantages = [], [], [], []
    for row, sample in enumerate(block):
        ids[row, : len(sample.tokens)] = torch.tensor(sample.tokens)
        for place in range(1, len(sample.tokens)):
            if sample.trained[place]:
                source.append(row * width + place - 1)
                target.append(sample.tokens[place])
                behaviour.append(sample.behaviour_logprobs[place])
                advantages.append(sample.advantage)
    return MicroBatch(
        ids=ids,
        source=torch.tensor(source, dtype=torch.long),
        target=torch.tensor(target, dtype=torch.long),
        behaviour_logprobs=torch.tensor(behaviour, dtype=torch.float32),
        advantages=torch.tensor(advantages, dtype=torch.float32),
        num_tokens=sum(len(sample.tokens) for sample in block),
    )
