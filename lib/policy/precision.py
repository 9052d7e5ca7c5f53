"""Names of precisions in settings -> torch's."""

from __future__ import annotations

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def dtype_of(name: str) -> torch.dtype:
    """Of a name in DTYPES, or ``auto``: bfloat16 where this process's device multiplies it faster, else float32."""
    if name != "auto":
        return DTYPES[name]
    if torch.cuda.is_available():
        is_fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        is_fast = has_fast_bfloat16(torch.cpu.get_capabilities())
    return torch.bfloat16 if is_fast else torch.float32


def has_fast_bfloat16(cpu: dict[str, object]) -> bool:
    """Whether a CPU with these capabilities, as torch tells them, multiplies bfloat16 faster than float32.

    Those that lack the instructions convert at every product, and Intel's that have them for vectors only, not for
    tiles, take up to twice as long as in float32.
    """
    is_intel = str(cpu.get("cpu_name", "")).startswith("Intel")
    return bool(cpu.get("amx_bf16") or (cpu.get("avx512_bf16") and not is_intel))
