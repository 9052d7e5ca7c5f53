"""New weights on their way to another process: one safetensors file and the digest of its bytes.

A folder in memory (/dev/shm) is as good as one on a disk that both sides read. Whoever loads the file compares the
digest first, so that a file which is cut or of other bytes changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from lib.policy.save import save_weights


@dataclass(frozen=True)
class WeightFile:
    """Weights of one version, as they lie in a file."""

    path: Path
    digest: str  # BLAKE2b of the bytes, 16 bytes in hexadecimal
    version: int


def write_weight_file(
    weights: Iterable[tuple[str, torch.Tensor]], folder: Path, *, version: int, dtype: torch.dtype
) -> WeightFile:
    """Write the weights, tied ones once; the file has its name only when it is whole."""
    path = folder / f"version-{version}.safetensors"
    unfinished = path.with_suffix(".unfinished")
    save_weights(weights, unfinished, dtype=dtype)
    with unfinished.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    unfinished.replace(path)
    return WeightFile(path, digest, version)


def read_weights(checkpoint: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of a checkpoint's safetensors files, one after the other."""
    for path in sorted(checkpoint.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - the file is no mapping
                yield name, file.get_tensor(name)
