"""A checkpoint directory -> a model and its tokenizer, or an error that names the file at fault.

A checkpoint is what transformers loads without code of its own: config.json, safetensors (one file, or several
with an index), tokenizer files. Nothing is fetched.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)

from lib.errors import PolicyError
from lib.policy import attention
from lib.policy.conversation import ChatFormat
from lib.policy.grid_processor import GridProcessor
from lib.policy.image_encoder import ImageEncoder, OpenImage
from lib.policy.quiet import quiet_transformers

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
# One of them holds the tokens, whatever the kind of tokenizer.
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
MEND = (
    "give a whole model directory (policy.model, synthesis.judge.checkpoint); "
    "if it lies under artifacts/, run with --force base"
)

# What transformers, safetensors and json raise over files that do not fit.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)


def load_model(checkpoint: Path) -> PreTrainedModel:
    """The language model in evaluation mode on the CPU, its weights in float32, with our attention.

    One that takes images comes with its vision encoder, which keeps an attention of its own.

    Raises:
        PolicyError: a file is missing, cut or does not fit the others.
    """
    check_weights(checkpoint)
    sees = has_vision(checkpoint)
    try:
        with quiet_transformers():
            model, info = (AutoModelForImageTextToText if sees else AutoModelForCausalLM).from_pretrained(
                checkpoint,
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
                attn_implementation={"text_config": attention.NAME, "vision_config": "sdpa"}
                if sees
                else attention.NAME,
            )
    except UNREADABLE as error:
        if error.args == (attention.NAME,):
            error = ValueError("its attention cannot be exchanged for the one that is computed with here")
        raise _does_not_load("model", checkpoint, error) from error
    absent = sorted(info["missing_keys"])
    if absent:
        raise PolicyError(
            f"The weights do not fit the config: {len(absent)} tensors are missing, {absent[0]} among them.",
            where=str(checkpoint),
            next_step=MEND,
        )
    return model.eval()


def load_tokenizer(checkpoint: Path) -> PreTrainedTokenizerBase:
    """The tokenizer with its chat template.

    Raises:
        PolicyError: its files are missing or broken.
    """
    _check_directory(checkpoint)
    if not any((checkpoint / name).is_file() for name in VOCABULARIES):
        _check_file(checkpoint / VOCABULARIES[0])
    try:
        with quiet_transformers():
            return AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
    except UNREADABLE as error:
        raise _does_not_load("tokenizer", checkpoint, error) from error


def has_vision(checkpoint: Path) -> bool:
    """Whether the checkpoint's model takes images."""
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(checkpoint, local_files_only=True)
    except UNREADABLE as error:
        raise _does_not_load("config", checkpoint / CONFIG, error) from error
    return type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and hasattr(config, "vision_config")


def load_chat(checkpoint: Path, open_image: OpenImage | None = None, *, hidden: bool = False) -> ChatFormat:
    """The conversation's format, with images where there are some and the policy takes them.

    Args:
        open_image: where a question's images are.
        hidden: show grey in place of each image.

    Raises:
        PolicyError: files are missing or broken, or a model for images comes without a processor.
    """
    tokenizer = load_tokenizer(checkpoint)
    if open_image is None or not has_vision(checkpoint):
        return ChatFormat(tokenizer)
    return ChatFormat(tokenizer, ImageEncoder(load_processor(checkpoint), open_image, hidden=hidden))


def load_processor(checkpoint: Path) -> ProcessorMixin | GridProcessor:
    """What makes a model's input of texts and images.

    Raises:
        PolicyError: the model comes without one, it is broken, or needs a package that is not there.
    """
    try:
        with quiet_transformers():
            processor = AutoProcessor.from_pretrained(checkpoint, local_files_only=True, backend="pil")
    except ImportError as error:
        return _without_videos(checkpoint, error)
    except UNREADABLE as error:
        raise _does_not_load("processor", checkpoint, error) from error
    if not isinstance(processor, ProcessorMixin):
        raise PolicyError(
            "The model takes images, and its directory has no processor for them.",
            where=str(checkpoint),
            next_step="add processor_config.json or preprocessor_config.json from where the model comes from",
        )
    return processor


def _without_videos(checkpoint: Path, error: ImportError) -> GridProcessor:
    """Where the processor lacks a package, its part for images, which may do without it."""
    tokenizer = load_tokenizer(checkpoint)
    try:
        with quiet_transformers():
            processor = GridProcessor.load(checkpoint, tokenizer)
    except (ImportError, *UNREADABLE):
        processor = None
    if processor is None:
        raise _does_not_load("processor", checkpoint, error) from error
    return processor


def check_config(checkpoint: Path) -> None:
    """Raises PolicyError unless transformers knows the model that config.json describes."""
    _check_directory(checkpoint)
    _check_file(checkpoint / CONFIG)
    try:
        with quiet_transformers():
            AutoConfig.from_pretrained(checkpoint, local_files_only=True)
    except UNREADABLE as error:
        raise _does_not_load("config", checkpoint / CONFIG, error) from error


def check_weights(checkpoint: Path) -> list[Path]:
    """The weight files, each of which has been opened; raises PolicyError for one that is missing or cut."""
    check_config(checkpoint)
    files = [checkpoint / name for name in _weight_names(checkpoint)]
    for file in files:
        _check_file(file)
        try:
            with safe_open(file, framework="pt") as opened:
                opened.keys()
        except UNREADABLE as error:
            raise PolicyError(
                f"The weights cannot be read: {error}.", where=f"{file} ({file.stat().st_size} bytes)", next_step=MEND
            ) from error
    return files


def _weight_names(checkpoint: Path) -> list[str]:
    index = checkpoint / INDEX
    if not index.exists():
        return [WEIGHTS]
    try:
        return sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except UNREADABLE as error:
        raise PolicyError(f"The index of the weights is broken: {error}.", where=str(index), next_step=MEND) from error


def _check_directory(checkpoint: Path) -> None:
    if not checkpoint.is_dir():
        raise PolicyError("The model directory does not exist.", where=str(checkpoint), next_step=MEND)


def _check_file(file: Path) -> None:
    if not file.is_file():
        found = ", ".join(sorted(path.name for path in file.parent.iterdir())[:8]) or "nothing"
        raise PolicyError(f"{file.name} is missing; the directory holds {found}.", where=str(file), next_step=MEND)


def _does_not_load(part: str, where: Path, error: Exception) -> PolicyError:
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return PolicyError(f"The {part} does not load: {reason}", where=str(where), next_step=MEND)
