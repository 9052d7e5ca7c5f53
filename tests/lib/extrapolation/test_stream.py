"""Safetensors by rows, in bounded memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from lib.extrapolation.stream import Checkpoint, StreamWriter, TensorInfo


@given(st.integers(0, 50), st.integers(1, 9), st.integers(1, 100))
def test_spans_cover_the_rows_once_and_in_order(num_rows, width, max_elements):
    spans = TensorInfo("w", "F32", (num_rows, width)).spans(max_elements)
    assert [row for start, end in spans for row in range(start, end)] == list(range(num_rows))
    assert all((end - start) * width <= max(max_elements, width) for start, end in spans)


def test_what_is_written_by_parts_is_what_safetensors_reads(tmp_path):
    tensors = {"a": torch.randn(5, 3), "b": torch.randn(4).bfloat16(), "c": torch.tensor(7), "é": torch.zeros(0, 2)}
    names = {torch.float32: "F32", torch.bfloat16: "BF16", torch.int64: "I64"}
    infos = [TensorInfo(name, names[tensor.dtype], tuple(tensor.shape)) for name, tensor in tensors.items()]
    with StreamWriter(tmp_path / "out.safetensors", infos) as writer:
        for info in infos:
            for start, end in info.spans(6):
                writer.write(tensors[info.name][start:end] if info.shape else tensors[info.name])
    found = load_file(tmp_path / "out.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_an_unfinished_file_never_appears_under_its_name(tmp_path):
    info = TensorInfo("a", "F32", (4,))
    with pytest.raises(RuntimeError), StreamWriter(tmp_path / "out.safetensors", [info]) as writer:
        writer.write(torch.zeros(2))
        raise RuntimeError("cut off")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AssertionError, match="lacks 8 bytes"), StreamWriter(tmp_path / "o", [info]) as writer:
        writer.write(torch.zeros(2))


def test_rows_are_read_flat_and_scalars_too(tmp_path, save_checkpoint):
    tensors = {"w": torch.arange(12.0).reshape(4, 3), "s": torch.tensor(2.5)}
    checkpoint = Checkpoint(save_checkpoint(tmp_path / "c", tensors))
    assert checkpoint.read("w", (1, 3)).tolist() == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert checkpoint.read("s", (0, 1)).tolist() == [2.5]


MEASURE = """
import sys, threading, time, types
from pathlib import Path
from lib.extrapolation import fit_checkpoints as module
from lib.extrapolation.history import open_history
from lib.progress import Silent
import torch

def anonymous_mb():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("RssAnon"))

root = Path(sys.argv[1])
torch.mm(torch.ones(8, 8), torch.ones(8, 8))
before, peak, running = anonymous_mb(), 0.0, True

def watch():
    global peak
    while running:
        peak = max(peak, anonymous_mb())
        time.sleep(0.001)

watcher = threading.Thread(target=watch)
watcher.start()
module.WINDOW_ELEMENTS = int(sys.argv[2])
module.WRITE_ELEMENTS = module.WINDOW_ELEMENTS // 4
history = open_history(base=root / "base", trajectory=root / "t", last=root / "t" / "step_00004", last_step=4)
fits = module.fit_checkpoints(history, rank=1, folder=root / "fits", progress=Silent())
module.write_extrapolated(history, fits, folder=root / "fits", step=8, out=root / "out")
running = False
watcher.join()
print(peak - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_holds_a_window_not_the_tensor_and_not_the_model(tmp_path, save_checkpoint):
    """Four steps of two 32 MiB tensors: all at once 256 MiB, one tensor's window 128 MiB, a part of it 8 MiB."""
    base = {"a": torch.randn(2048, 4096), "b": torch.randn(2048, 4096)}
    save_checkpoint(tmp_path / "base", base)
    for step in range(1, 5):
        moved = {name: tensor + 0.01 * step for name, tensor in base.items()}
        save_checkpoint(tmp_path / "t" / f"step_{step:05d}", moved)
    command = [sys.executable, "-c", MEASURE, str(tmp_path), str(2**21)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert float(done.stdout) < 48
    found = load_file(tmp_path / "out" / "model.safetensors")
    torch.testing.assert_close(found["a"], base["a"] + 0.08, rtol=1e-4, atol=1e-4)
