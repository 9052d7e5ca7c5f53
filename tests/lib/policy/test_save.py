"""Weights in files: none is lost, tied ones are written once."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib.policy.save import save_weights
from lib.policy.weight_file import read_weights

NUM_FILES, NUM_TENSORS = 4, 16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_of_several_files_all_come_through_a_change_of_precision(tmp_path, dtype):
    tensors = {f"layer.{number:02}": torch.full((512, 64), float(number)) for number in range(NUM_TENSORS)}
    for file in range(NUM_FILES):
        part = {name: tensor for number, (name, tensor) in enumerate(tensors.items()) if number % NUM_FILES == file}
        save_file(part, tmp_path / f"model-{file}.safetensors")
    save_weights(read_weights(tmp_path), tmp_path / "out" / "all.safetensors", dtype=dtype)
    written = load_file(tmp_path / "out" / "all.safetensors")
    assert written.keys() == tensors.keys()
    assert all(torch.equal(written[name], tensor.to(dtype)) for name, tensor in tensors.items())


def test_of_tied_tensors_the_first_name_is_written(tmp_path):
    tied = torch.ones(3, 2)
    named = {"embedding": tied, "norm": torch.zeros(2), "head": tied}
    save_weights(named.items(), tmp_path / "all.safetensors", dtype=torch.float32)
    assert load_file(tmp_path / "all.safetensors").keys() == {"embedding", "norm"}
