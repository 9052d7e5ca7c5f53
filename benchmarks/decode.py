"""Sampled tokens per second: the engine against transformers' plain `generate`, on one checkpoint.

    python -m benchmarks.decode CHECKPOINT [EPISODES.parquet] [--tokens 32]

Both sample at temperature 1 from the same prompts, without stop tokens; `generate` gets them in one left-padded
batch. Two turns are played: `generate` has to compute the second turn's prompt from the start, the engine goes on
from what its cache holds. Prompts and results are those of the episodes' first turns; without a file they are random
tokens, at whose continuation nobody can guess.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from transformers import AutoModelForCausalLM

from lib.policy.engine import SampleRequest
from lib.policy.load import load_model
from lib.policy.transformers_engine import TransformersEngine

PROMPT, OBSERVATION = 96, 64
CONCURRENT = (1, 8, 32, 64)
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Start:
    """How an episode begins: the first turn's prompt, and what the environment says after that turn."""

    prompt: list[int]
    observation: list[int]


def random_starts(count: int, vocabulary: int) -> list[Start]:
    generator = np.random.default_rng(0)
    tokens = generator.integers(100, vocabulary - 100, (count, PROMPT + OBSERVATION)).tolist()
    return [Start(row[:PROMPT], row[PROMPT:]) for row in tokens]


def read_starts(episodes: Path, count: int) -> list[Start]:
    """Of the first episodes that have a second turn, each of another question while there are enough."""
    rows = pq.read_table(episodes, columns=["question_id", "tokens", "turns"]).to_pylist()
    rows = [row for row in rows if [turn["role"] for turn in row["turns"][:3]] == ["prompt", "assistant", "tool"]]
    rows = list({row["question_id"]: row for row in rows}.values()) or rows
    return [
        Start(*(row["tokens"][turn["start"] : turn["end"]] for turn in (row["turns"][0], row["turns"][2])))
        for row in itertools.islice(itertools.cycle(rows), count)
    ]


def time_engine(checkpoint: Path, starts: list[Start], tokens: int, dtype: torch.dtype) -> float:
    """Tokens per second over two turns."""
    capacity = max(len(start.prompt) + len(start.observation) for start in starts) + 2 * tokens + 8
    engine = TransformersEngine(load_model(checkpoint), max_concurrent=len(starts), max_tokens=capacity, dtype=dtype)

    async def play(number: int, start: Start) -> int:
        sampled, prompt = 0, start.prompt
        for turn in range(2):
            request = SampleRequest(str(number), prompt, tokens, 1.0, 1.0, frozenset(), number * 2 + turn)
            completion = await engine.sample(request)
            sampled += len(completion.tokens)
            prompt = prompt + completion.tokens + start.observation
        return sampled

    async def play_all() -> int:
        return sum(await asyncio.gather(*[play(i, start) for i, start in enumerate(starts)]))

    started = time.perf_counter()
    sampled = asyncio.run(play_all())
    return sampled / (time.perf_counter() - started)


@torch.no_grad()
def time_generate(checkpoint: Path, starts: list[Start], tokens: int, dtype: torch.dtype) -> float:
    """Tokens per second over two turns, each computed from its whole prompt."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype).eval()
    started = time.perf_counter()
    prompts = [start.prompt for start in starts]
    for _ in range(2):
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        output = model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            top_k=0,
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            pad_token_id=0,
        )
        sampled = output[:, width:].tolist()
        prompts = [p + new + start.observation for p, new, start in zip(prompts, sampled, starts, strict=True)]
    return 2 * tokens * len(starts) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("episodes", type=Path, nargs="?")
    parser.add_argument("--tokens", type=int, default=32, help="sampled tokens a turn")
    chosen = parser.parse_args()
    vocabulary = load_model(chosen.checkpoint).config.vocab_size
    print(f"{torch.get_num_threads()} threads, two turns of {chosen.tokens} tokens; tokens/s")
    print("episodes precision  engine generate ratio")
    for count in CONCURRENT:
        starts = read_starts(chosen.episodes, count) if chosen.episodes else random_starts(count, vocabulary)
        for name, dtype in PRECISIONS.items():
            ours = time_engine(chosen.checkpoint, starts, chosen.tokens, dtype)
            plain = time_generate(chosen.checkpoint, starts, chosen.tokens, dtype)
            print(f"{count:8} {name:9} {ours:7.0f} {plain:8.0f} {ours / plain:5.2f}", flush=True)


if __name__ == "__main__":
    main()
