"""RELEX streamed over safetensors, against numpy with the whole trajectory in memory.

    python -m benchmarks.relex [--steps 8] [--checkpoint DIR] [--hidden 576] [--layers 30]

Makes a row of checkpoints of a 135 M-parameter decoder's shapes (or of a given checkpoint), fits all
tensors and writes one extrapolated checkpoint, both ways. Prints seconds and peak resident memory of
each, their ratios, and how far the results lie apart.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from lib.extrapolation.fit_checkpoints import fit_checkpoints, write_extrapolated
from lib.extrapolation.history import open_history
from lib.progress import Silent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--checkpoint", type=Path, help="a folder with model.safetensors to start from")
    parser.add_argument("--hidden", type=int, default=576)
    parser.add_argument("--layers", type=int, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        weights = arguments.checkpoint / "model.safetensors" if arguments.checkpoint else None
        tensors = load_file(weights) if weights else decoder_shapes(arguments.hidden, arguments.layers)
        num_bytes = make_trajectory(root, tensors, arguments.steps)
        del tensors
        results = {name: measure(run, root) for name, run in (("streamed", streamed), ("in memory", in_memory))}
        print(f"{arguments.steps} checkpoints of {num_bytes / 2**20:.0f} MiB")
        for name, (seconds, peak) in results.items():
            speed = (arguments.steps + 1) * num_bytes / 2**20 / seconds
            print(f"{name:>10}: {seconds:6.1f} s  {speed:6.0f} MiB of history a second  {peak:6.0f} MiB peak")
        ratio = results["streamed"][0] / results["in memory"][0]
        memory_ratio = results["streamed"][1] / results["in memory"][1]
        print(f"streamed takes {ratio:.2f} of the time, {memory_ratio:.3f} of the memory")
        first, second = (load_file(root / name / "model.safetensors") for name in ("streamed", "in memory"))
        print(f"greatest difference {max(float((first[n] - second[n]).abs().max()) for n in first):.1e}")


def decoder_shapes(hidden: int, layers: int) -> dict[str, torch.Tensor]:
    """Random weights in the shapes of SmolLM2 (49,152 tokens, a third of the heads for keys and values)."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"model.embed_tokens.weight": (49152, hidden), "model.norm.weight": (hidden,)}
    for i in range(layers):
        shapes |= {f"model.layers.{i}.{name}": (hidden * 8 // 3, hidden) for name in ("gate", "up")}
        shapes |= {f"model.layers.{i}.down": (hidden, hidden * 8 // 3), f"model.layers.{i}.norm": (hidden,)}
        shapes |= {f"model.layers.{i}.{name}": (hidden, hidden) for name in ("q", "o")}
        shapes |= {f"model.layers.{i}.{name}": (hidden // 3, hidden) for name in ("k", "v")}
    return {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def make_trajectory(root: Path, tensors: dict[str, torch.Tensor], steps: int) -> int:
    """Step 0 to ``steps``, on a noisy line; the bytes of one checkpoint."""
    generator = torch.Generator().manual_seed(1)
    way = {name: 1e-4 * torch.randn(tensor.shape, generator=generator) for name, tensor in tensors.items()}
    for step in range(steps + 1):
        folder = root / "base" if step == 0 else root / "trajectory" / f"step_{step:05d}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"tie_word_embeddings": True}))
        moved = {name: tensor + step * way[name] for name, tensor in tensors.items()}
        save_file(moved, folder / "model.safetensors")
    return sum(tensor.numel() * 4 for tensor in tensors.values())


def last_step(root: Path) -> int:
    return len(list((root / "trajectory").iterdir()))


def streamed(root: Path) -> None:
    last = last_step(root)
    history = open_history(
        base=root / "base",
        trajectory=root / "trajectory",
        last=root / "trajectory" / f"step_{last:05d}",
        last_step=last,
    )
    fits = fit_checkpoints(history, rank=1, folder=root / "fits", progress=Silent())
    write_extrapolated(history, fits, folder=root / "fits", step=2 * last, out=root / "streamed")


def in_memory(root: Path) -> None:
    """The plain way: load everything, stack, decompose, fit, save."""
    base = {name: tensor.numpy() for name, tensor in load_file(root / "base" / "model.safetensors").items()}
    last = last_step(root)
    rows = [load_file(root / "trajectory" / f"step_{step:05d}" / "model.safetensors") for step in range(1, last + 1)]
    predicted = {}
    for name, start in base.items():
        stack = np.stack([row[name].numpy().ravel() - start.ravel() for row in rows])
        values, vectors = np.linalg.eigh(stack @ stack.T)
        direction = stack.T @ (vectors[:, -1] / np.sqrt(values[-1]))
        slope, intercept = np.polyfit(np.arange(last), stack @ direction, 1)
        ahead = slope * (2 * last - 1) + intercept
        predicted[name] = torch.from_numpy((start.ravel() + ahead * direction).reshape(start.shape).astype(np.float32))
    (root / "in memory").mkdir()
    save_file(predicted, root / "in memory" / "model.safetensors")


def measure(run: Callable[[Path], None], root: Path) -> tuple[float, float]:
    """Seconds and peak MiB of a fresh process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measured, args=(run, root, queue))
    process.start()
    result = queue.get()
    process.join()
    return result


def _measured(run: Callable[[Path], None], root: Path, queue: multiprocessing.Queue) -> None:
    before, peak, is_running = _resident_mib(), 0.0, True

    def watch() -> None:
        nonlocal peak
        while is_running:
            peak = max(peak, _resident_mib())
            time.sleep(0.005)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    run(root)
    seconds = time.perf_counter() - started
    is_running = False
    watcher.join()
    queue.put((seconds, peak - before))


def _resident_mib() -> float:
    """Resident memory, mapped files included; Linux."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
