"""Requests to a small engine."""

from __future__ import annotations

import asyncio

import torch

from lib.policy.engine import SampleRequest
from lib.policy.transformers_engine import TransformersEngine

NO_STOP = frozenset({-1})


def engine_over(model, *, slots=8, capacity=128, dtype=torch.float32):
    return TransformersEngine(model, max_concurrent=slots, max_tokens=capacity, dtype=dtype)


def request(session, prompt, *, new=12, temperature=1.0, stop=NO_STOP, seed=0, top_p=1.0):
    return SampleRequest(session, prompt, new, temperature, top_p, stop, seed)


def prompts(count):
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(5, 30, (count,), generator=generator).tolist()
    return [torch.randint(3, 300, (length,), generator=generator).tolist() for length in lengths]


def sample_all(engine, requests):
    async def run():
        return await asyncio.gather(*[engine.sample(r) for r in requests], return_exceptions=True)

    return asyncio.run(run())
