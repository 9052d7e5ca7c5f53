"""What the machine multiplies, of which other measurements tell the share that a model's work takes.

    python -m benchmarks.ceiling [--precision bfloat16] [--size 4096]

Multiplies two square matrices for two seconds, and prints how many floating-point operations a second the fastest of
the products came to. Reading a token takes two for each weight that multiplies, training on it six (Kaplan et al.,
2020, section 2.1, less the attention).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from lib.policy.device import own_device
from lib.policy.load import load_model
from lib.policy.precision import DTYPES

READ, TRAINED = 2, 6  # operations a weight and token
MEASURED_S = 2.0


def multiply(precision: str = "bfloat16", size: int = 4096) -> float:
    """Floating-point operations a second of a product ``[size, size] @ [size, size]``, the best that was seen."""
    device = own_device()
    left, right = (torch.randn(size, size, device=device).to(DTYPES[precision]) for _ in range(2))
    left @ right  # the first one chooses how
    best, ends = 0.0, time.perf_counter() + MEASURED_S
    while time.perf_counter() < ends:
        _wait_for(device)
        started = time.perf_counter()
        left @ right
        _wait_for(device)
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best


def num_multiplied(checkpoint: Path) -> int:
    """Weights of a language model that multiply: all but a table of embeddings that is not its output head too."""
    model = load_model(checkpoint)
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    looked_up = 0 if table is head else table.numel()
    return sum(parameter.numel() for parameter in model.parameters()) - looked_up


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=DTYPES, default="bfloat16")
    parser.add_argument("--size", type=int, default=4096)
    chosen = parser.parse_args()
    print(f"{multiply(chosen.precision, chosen.size) / 1e9:,.0f} GFLOP/s in {chosen.precision} on {own_device()}")


if __name__ == "__main__":
    main()
