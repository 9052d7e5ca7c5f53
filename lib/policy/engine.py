"""What an engine is: token ids in, sampled token ids and their log-probabilities out.

The protocol is narrow on purpose. An engine may keep what it has computed for a session (an
episode) and use it when the next prompt extends the last one; a server with a prefix cache needs
no such notion and may ignore the session's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import torch

from lib.policy.lane import Lane


class Finish(StrEnum):
    """Why a completion ended."""

    STOP = "stop"  # the policy sampled a stop token, which is the last token
    LENGTH = "length"  # it used up max_new_tokens or the engine's capacity


@dataclass(frozen=True)
class PlacedImage:
    """An image, or the part inside a box, and the tokens that stand for it; placeholders among them are its patches."""

    id: str
    box: tuple[int, int, int, int] | None
    start: int
    end: int
    num_patches: int = 0
    patch_token: int = -1

    def moved(self, by: int) -> PlacedImage:
        """The same, so many tokens later."""
        return replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True)
class SampleRequest:
    """One turn to sample.

    ``temperature`` 0 takes the most probable token; ``prompt`` is the whole conversation so far.
    """

    session: str
    prompt: list[int]
    max_new_tokens: int
    temperature: float
    top_p: float
    stop_tokens: frozenset[int]
    seed: int
    images: tuple[PlacedImage, ...] = ()  # in the prompt


@dataclass(frozen=True)
class Completion:
    """What the policy sampled, as sampled.

    ``logprobs`` are those of the sampling distribution (after temperature and top-p); of a greedy
    choice, those at temperature 1. ``policy_version`` is that of the first token.
    """

    tokens: list[int]  # [num_new]
    logprobs: list[float]  # [num_new]
    finish: Finish
    policy_version: int


class Engine(Protocol):
    """Samples turns for many sessions at once."""

    @property
    def policy_version(self) -> int: ...

    async def sample(self, request: SampleRequest) -> Completion:
        """Sample one turn. Raises PolicyError when the prompt is longer than the engine can hold."""
        ...

    def release(self, session: str) -> None:
        """Forget what is kept for a session."""
        ...


class TrainedEngine(Engine, Protocol):
    """An engine that gets new weights while a run goes on.

    ``lane`` takes its passes to another thread where one serves it; None of an engine that computes elsewhere.
    """

    lane: Lane | None

    async def update_weights(
        self, weights: Iterable[tuple[str, torch.Tensor]], *, version: int, probe: Sequence[int] = ()
    ) -> list[list[float]]:
        """Sample with these weights, under the names that transformers gives them, from here on.

        Turns that are being sampled go on under the new weights; what they have sampled keeps its log-probabilities.

        Args:
            probe: a text to compute with the new weights.

        Returns, for each copy of the weights, the log-probabilities of the probe's tokens but the first, at
        temperature 1. Raises EngineError where the weights do not arrive.
        """
        ...
