"""Training tokens per second: shared prefixes computed once and logits of trained tokens only, against neither.

    python -m benchmarks.training CHECKPOINT EPISODES.parquet [--batch 8] [--repeats 3]

The peer is what a plain fine-tuning loop does: one right-padded batch through the model's own forward pass with
labels, under the same autocast. Forward, backward and AdamW are timed; both see the same episodes, the first ones of
the file: of demonstrations, different questions; of a reinforcement, groups of one question.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import torch

from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.token_batch import Sample, make_micro_batches
from lib.policy.load import load_model
from lib.settings.learning import WorkerSettings


def ours(model: torch.nn.Module, samples: list[Sample]) -> None:
    wrapped = ActionLogProbs(model, dtype=torch.bfloat16)
    batches = make_micro_batches(samples, max_nodes=WorkerSettings().micro_batch_tokens)
    count = sum(len(batch.place) for batch in batches)
    for batch in batches:
        (-wrapped(batch).sum() / count).backward()


def plain(model: torch.nn.Module, samples: list[Sample]) -> None:
    width = max(len(sample.tokens) for sample in samples)
    ids = torch.zeros(len(samples), width, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, sample in enumerate(samples):
        ids[row, : len(sample.tokens)] = torch.tensor(sample.tokens)
        trained = torch.tensor(sample.trained)
        labels[row, : len(sample.tokens)][trained] = ids[row, : len(sample.tokens)][trained]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(input_ids=ids, labels=labels, use_cache=False).loss.backward()


def measure(step: Callable[[torch.nn.Module, list[Sample]], None], checkpoint: Path, samples: list[Sample]) -> float:
    """Seconds of one optimizer step."""
    model = load_model(checkpoint).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    started = time.perf_counter()
    step(model, samples)
    optimizer.step()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("episodes", type=Path)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    rows = pq.read_table(chosen.episodes, columns=["tokens", "action_mask"]).slice(0, chosen.batch).to_pylist()
    samples = [Sample(row["tokens"], row["action_mask"], [0.0] * len(row["tokens"])) for row in rows]
    tokens = sum(len(sample.tokens) for sample in samples)
    pairs = [
        (measure(ours, chosen.checkpoint, samples), measure(plain, chosen.checkpoint, samples))
        for _ in range(chosen.repeats)
    ]
    for name, seconds in zip(("ropewalk", "plain"), zip(*pairs, strict=True), strict=True):
        print(f"{name:9} {tokens / statistics.median(seconds):6.0f} tokens/s")
    print(f"ratio     {statistics.median(b / a for a, b in pairs):6.2f} (median of {chosen.repeats} pairs)")


if __name__ == "__main__":
    main()
