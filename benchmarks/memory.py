"""Memory of a training pass against the length of its sequence.

    python -m benchmarks.memory --checkpoint CHECKPOINT [--lengths 1024 2048 4096 8192 16384] [--trained 1.0]

One sequence of random tokens, the given share of which are trained on, goes forward and backward in bfloat16:

    all logits              transformers' own forward pass with labels
    ..., layers recomputed  the same under gradient checkpointing
    chunks                  what the workers do: logits of trained tokens, a chunk at a time, recomputed
    ..., layers recomputed  the same with workers.recompute

Every cell is a process of its own, told as GiB above what weights and gradients take (on a GPU, of its memory) and
seconds. A cell that needs more than the machine has free, is empty.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch

from benchmarks.versions import tell_versions

REPOSITORY = Path(__file__).resolve().parents[1]
WAYS = ("all logits", "all logits, layers recomputed", "chunks", "chunks, layers recomputed")
GIB = 2**30


class Peak:
    """Highest memory between two moments, in bytes above the first of them."""

    def __enter__(self) -> Peak:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # begins VmHWM anew
            self._before = psutil.Process().memory_info().rss
        return self

    def __exit__(self, *_: object) -> None:
        self.bytes = self._read() - self._before

    def _read(self) -> int:
        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated()
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measure(chosen: argparse.Namespace, way: str, length: int) -> dict[str, float]:
    from transformers import AutoModelForCausalLM

    from lib.learning.action_logprobs import ActionLogProbs
    from lib.learning.token_batch import Sample, make_micro_batches
    from lib.policy.device import own_device
    from lib.policy.load import load_model

    if not torch.cuda.is_available():  # the machine's swap is no memory
        resource.setrlimit(resource.RLIMIT_DATA, (psutil.virtual_memory().available,) * 2)
    device = own_device()
    ours = way.startswith("chunks")
    model = load_model(chosen.checkpoint) if ours else AutoModelForCausalLM.from_pretrained(chosen.checkpoint)
    model = model.float().to(device).train()
    if way.endswith("recomputed"):
        model.gradient_checkpointing_enable({"use_reentrant": False})
    wrapped = ActionLogProbs(model, dtype=torch.bfloat16)

    def step(length: int) -> float:
        draw = torch.Generator().manual_seed(length)
        tokens = torch.randint(3, 1000, (length,), generator=draw)
        trained = torch.rand(length, generator=draw) < chosen.trained
        trained[0] = False
        if ours:
            sample = Sample(tokens.tolist(), trained.tolist(), [0.0] * length)
            (batch,) = make_micro_batches([sample], max_nodes=length)
            loss = -wrapped(batch.to(device)).mean()
        else:
            labels = tokens.masked_fill(~trained, -100)[None].to(device)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                loss = model(input_ids=tokens[None].to(device), labels=labels, use_cache=False).loss
        loss.backward()
        return loss.item()

    step(64)  # gradients have their places from here on
    started = time.perf_counter()
    with Peak() as peak:
        loss = step(length)
    return {"gib": peak.bytes / GIB, "seconds": time.perf_counter() - started, "loss": loss}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 2048, 4096, 8192, 16384])
    parser.add_argument("--trained", type=float, default=1.0, help="share of the tokens")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)  # the inner process
    chosen = parser.parse_args()
    if chosen.way:
        print(json.dumps(measure(chosen, chosen.way, chosen.lengths[0])))
        return
    print(f"{tell_versions()}; seed 0\n")
    print(f"| tokens | {' | '.join(WAYS)} |\n|{'---|' * (1 + len(WAYS))}")
    for length in chosen.lengths:
        cells = [measure_apart(chosen, way, length) for way in WAYS]
        print(f"| {length:,} | {' | '.join(cells)} |", flush=True)


def measure_apart(chosen: argparse.Namespace, way: str, length: int) -> str:
    command = [sys.executable, "-m", "benchmarks.memory", "--checkpoint", chosen.checkpoint.absolute(), "--way", way]
    command += ["--lengths", length, "--trained", chosen.trained]
    done = subprocess.run(list(map(str, command)), cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        if "memory" not in done.stderr.lower():
            raise SystemExit(done.stderr)
        return ""
    found = json.loads(done.stdout.splitlines()[-1])
    return f"{found['gib']:.2f} GiB, {found['seconds']:.0f} s"


if __name__ == "__main__":
    main()
