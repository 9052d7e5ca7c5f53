"""Products are made in the precision that the machine multiplies faster, unless one is named."""

from __future__ import annotations

import pytest
import torch

from lib.policy.precision import dtype_of, has_fast_bfloat16


@pytest.mark.parametrize(
    ("cpu", "fast"),
    [
        ({"cpu_name": "AMD EPYC 9B45", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "Intel Core i7-8650U", "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "aarch64"}, False),
    ],
)
def test_bfloat16_is_for_processors_with_fast_instructions_for_it(cpu, fast):
    assert has_fast_bfloat16(cpu) is fast


def test_a_named_precision_is_taken_on_every_machine():
    assert dtype_of("bfloat16") == torch.bfloat16 and dtype_of("float32") == torch.float32
    assert dtype_of("auto") in (torch.bfloat16, torch.float32)
