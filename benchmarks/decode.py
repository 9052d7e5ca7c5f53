"""Sampled tokens per second: the engine against transformers' plain `generate`, on one checkpoint.

    python -m benchmarks.decode CHECKPOINT [--tokens 48]

Both sample at temperature 1 from the same prompts, without stop tokens; `generate` gets them in one
left-padded batch. Two turns are played: `generate` has to compute the second turn's prompt from the start,
the engine goes on from what its cache holds.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from lib.policy.engine import SampleRequest
from lib.policy.load import load_model
from lib.policy.transformers_engine import TransformersEngine

PROMPT, OBSERVATION = 96, 64
CONCURRENT = (1, 8, 32, 64)
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def make_prompts(count: int, vocabulary: int) -> list[list[int]]:
    generator = np.random.default_rng(0)
    return [generator.integers(100, vocabulary - 100, PROMPT).tolist() for _ in range(count)]


def time_engine(checkpoint: Path, prompts: list[list[int]], tokens: int, dtype: torch.dtype) -> float:
    """Tokens per second over two turns."""
    capacity = PROMPT + OBSERVATION + 2 * tokens + 8
    engine = TransformersEngine(load_model(checkpoint), max_concurrent=len(prompts), max_tokens=capacity, dtype=dtype)

    async def play(number: int, prompt: list[int]) -> int:
        sampled = 0
        for turn in range(2):
            request = SampleRequest(str(number), prompt, tokens, 1.0, 1.0, frozenset(), number * 2 + turn)
            completion = await engine.sample(request)
            sampled += len(completion.tokens)
            prompt = prompt + completion.tokens + prompt[:OBSERVATION]
        return sampled

    async def play_all() -> int:
        return sum(await asyncio.gather(*[play(i, p) for i, p in enumerate(prompts)]))

    started = time.perf_counter()
    sampled = asyncio.run(play_all())
    return sampled / (time.perf_counter() - started)


@torch.no_grad()
def time_generate(checkpoint: Path, prompts: list[list[int]], tokens: int, dtype: torch.dtype) -> float:
    """Tokens per second over two turns, each computed from its whole prompt."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype).eval()
    started = time.perf_counter()
    ids = torch.tensor(prompts)
    for _ in range(2):
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            top_k=0,
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            pad_token_id=0,
        )
        ids = torch.cat([output, output[:, :OBSERVATION]], dim=1)
    return 2 * tokens * len(prompts) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--tokens", type=int, default=48, help="sampled tokens a turn")
    chosen = parser.parse_args()
    vocabulary = load_model(chosen.checkpoint).config.vocab_size
    print(f"{torch.get_num_threads()} threads, two turns of {chosen.tokens} tokens; tokens/s")
    print("episodes precision  engine generate ratio")
    for count in CONCURRENT:
        prompts = make_prompts(count, vocabulary)
        for name, dtype in PRECISIONS.items():
            ours = time_engine(chosen.checkpoint, prompts, chosen.tokens, dtype)
            plain = time_generate(chosen.checkpoint, prompts, chosen.tokens, dtype)
            print(f"{count:8} {name:9} {ours:7.0f} {plain:8.0f} {ours / plain:5.2f}", flush=True)


if __name__ == "__main__":
    main()
