"""What a measurement ran on, for the line above its table."""

from __future__ import annotations

import importlib.metadata
import os
import platform

import torch

PACKAGES = ("torch", "transformers", "deepspeed")


def tell_versions(**more: str) -> str:
    """For instance ``Python 3.11.2, torch 2.13.0, ..., 2 cores``.

    Args:
        more: packages of other environments, by name.
    """
    told = [f"Python {platform.python_version()}"]
    told += [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    told += [f"{name} {version}" for name, version in more.items()]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{len(os.sched_getaffinity(0))} cores"
    return ", ".join([*told, device])
