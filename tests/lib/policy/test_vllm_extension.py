"""What the extension of vLLM's workers finds in layers that kept their old weights, without vLLM."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lib.policy.vllm_extension import _compare_columns, _compare_vectors

WIDTH = 64


class Packed:
    """Multiplies as vLLM's layers do on a CPU: by a copy that was made when weights were loaded."""

    def __init__(self, layer: nn.Linear):
        self.kept = layer.weight.detach().clone()

    def apply(self, layer, x):
        return nn.functional.linear(x, self.kept)


def model_of(tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> nn.Module:
    model = nn.Module()
    model.block, model.block.norm = nn.Module(), nn.LayerNorm(WIDTH, bias=False)
    model.block.qkv_proj = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
    model.packed_modules_mapping = {"qkv_proj": ["q_proj", "k_proj", "v_proj"]}
    with torch.no_grad():
        model.block.norm.weight.copy_(tensors["block.norm.weight"])
        model.block.qkv_proj.weight.copy_(torch.cat([tensors[f"block.{part}_proj.weight"] for part in "qkv"]))
    model.to(dtype)
    model.block.qkv_proj.quant_method = Packed(model.block.qkv_proj)
    return model


@pytest.fixture
def tensors():
    draw = torch.Generator().manual_seed(0)
    matrices = {f"block.{part}_proj.weight": torch.randn(WIDTH, WIDTH, generator=draw) / 8 for part in "qkv"}
    return matrices | {"block.norm.weight": torch.randn(WIDTH, generator=draw)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_of_the_file_s_weights_is_told_from_one_that_an_optimizer_step_has_passed_by(tensors, dtype):
    model = model_of(tensors, dtype)
    rounded = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    assert dict(_compare_columns(model, rounded)) == {"block.qkv_proj": True}
    assert dict(_compare_vectors(model, rounded)) == {"block.norm.weight": True}
    # AdamW moves every number by about the learning rate; in bfloat16 only some of them change at all.
    draw = torch.Generator().manual_seed(1)
    newer = {
        name: (tensor + 2.5e-5 * torch.randn(tensor.shape, generator=draw).sign()).to(dtype)
        for name, tensor in tensors.items()
    }
    with torch.no_grad():
        model.block.qkv_proj.weight.copy_(torch.cat([newer[f"block.{part}_proj.weight"] for part in "qkv"]))
    assert dict(_compare_columns(model, newer)) == {"block.qkv_proj": False}
    assert dict(_compare_columns(model, rounded)) == {"block.qkv_proj": True}


def test_a_norm_that_kept_its_weights_is_found(tensors):
    model = model_of(tensors, torch.float32)
    assert dict(_compare_vectors(model, tensors | {"block.norm.weight": tensors["block.norm.weight"] + 1e-6})) == {
        "block.norm.weight": False
    }


def test_of_a_layer_that_holds_a_part_of_its_matrix_nothing_is_said(tensors):
    model = model_of(tensors, torch.float32)
    model.block.qkv_proj.tp_size = 2
    assert dict(_compare_columns(model, tensors)) == {"block.qkv_proj": None}
