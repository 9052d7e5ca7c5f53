"""One attempt at one question: its tokens, what happened, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

import pyarrow as pa

from data_contracts.episodes import EPISODES
from lib.environments.environment import CallResult
from lib.policy.conversation import Conversation
from lib.policy.engine import PlacedImage
from lib.rewards.verdict import Reward


class EpisodeStatus(StrEnum):
    """How an episode ended."""

    ANSWERED = "answered"
    MALFORMED = "malformed"  # a turn was neither a call nor an answer, once too often
    OUT_OF_CALLS = "out_of_calls"
    OUT_OF_TURNS = "out_of_turns"
    TOO_LONG = "too_long"  # a turn or the whole conversation was cut for length
    FAILED = "failed"  # a tool or the engine broke, or it took too long; says nothing about the policy

    @property
    def counts_for_learning(self) -> bool:
        """Whether the outcome is the policy's own doing."""
        return self is not EpisodeStatus.FAILED


@dataclass
class Episode:
    """A finished attempt; becomes one row of the episodes table."""

    id: str
    question_id: str
    domain: str
    sample: int
    seed: int
    conversation: Conversation = field(default_factory=Conversation)
    calls: list[tuple[int, CallResult]] = field(default_factory=list)  # (turn, result)
    status: EpisodeStatus = EpisodeStatus.FAILED
    error: str | None = None
    answer: str | None = None
    answer_key: str | None = None  # the same for answers that amount to the same
    correct: bool = False
    malformed_turns: list[int] = field(default_factory=list)  # neither calls that fit nor an answer
    num_empty_turns: int = 0  # those among them that tried neither
    well_formed: bool = False  # at every turn, up to an answer
    reward: Reward = field(default_factory=lambda: Reward(0.0, {}, 0.0))
    seconds: float = 0.0
    draw: int | None = None  # the step that the question was drawn for: its group may be sampled again later

    @property
    def group_id(self) -> str:
        """Of the episodes whose rewards are compared with each other."""
        return self.question_id if self.draw is None else f"{self.question_id}@{self.draw}"

    @property
    def queries(self) -> list[str]:
        """What the episode searched for."""
        return [str(result.call.arguments.get("query", "")) for _, result in self.calls if result.call.name == "search"]

    @property
    def num_malformed(self) -> int:
        return len(self.malformed_turns)

    @property
    def policy_versions(self) -> list[int]:
        """Of the policy's turns."""
        return [turn.policy_version for turn in self.conversation.turns if turn.role == "assistant"]

    @property
    def num_policy_turns(self) -> int:
        return sum(turn.role == "assistant" for turn in self.conversation.turns)

    def row(self, *, policy: str, benchmark: str, step: int) -> dict[str, object]:
        """The episode as a row of data_contracts.episodes.EPISODES."""
        return {
            "id": self.id,
            "question_id": self.question_id,
            "group_id": self.group_id,
            "domain": self.domain,
            "policy": policy,
            "benchmark": benchmark,
            "sample": self.sample,
            "step": step,
            "tokens": self.conversation.tokens,
            "action_mask": self.conversation.action_mask,
            "logprobs": self.conversation.logprobs,
            "turns": [asdict(turn) for turn in self.conversation.turns],
            "images": [_image_row(image) for image in self.conversation.images],
            "tool_calls": [_call_row(turn, result) for turn, result in self.calls],
            "status": str(self.status),
            "error": self.error,
            "answer": self.answer,
            "answer_key": self.answer_key,
            "correct": self.correct,
            "well_formed": self.well_formed,
            "reward": self.reward.value,
            "reward_parts": [{"name": name, "value": value} for name, value in self.reward.parts.items()],
            "seed": self.seed,
            "seconds": self.seconds,
        }


def episode_table(episodes: list[Episode], *, policy: str, benchmark: str, step: int = 0) -> pa.Table:
    """Episodes as a table that fits the contract."""
    rows = [episode.row(policy=policy, benchmark=benchmark, step=step) for episode in episodes]
    return pa.Table.from_pylist(rows, schema=EPISODES.schema)


def read_image(row: Mapping) -> PlacedImage:
    """Of a row of the episodes table."""
    box = tuple(row["box"]) if row["box"] is not None else None
    return PlacedImage(row["image_id"], box, row["start"], row["end"], row["num_patches"], row["patch_token"])


def _image_row(image: PlacedImage) -> dict[str, object]:
    row = asdict(image)
    return {"image_id": row.pop("id"), **row}


def _call_row(turn: int, result: CallResult) -> dict[str, object]:
    return {
        "turn": turn,
        "name": result.call.name,
        "arguments": json.dumps(result.call.arguments, ensure_ascii=False),
        "status": str(result.status),
        "latency_s": result.latency_s,
    }
