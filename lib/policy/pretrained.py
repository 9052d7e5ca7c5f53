"""A model of the user's, from a directory or the Hugging Face Hub, copied as it is."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from lib.errors import PolicyError
from lib.policy.conversation import ChatFormat
from lib.policy.load import check_weights, load_tokenizer
from lib.progress import Progress
from lib.settings.policy import PretrainedPolicy

# Config, tokenizer and chat template; weights are listed by the checkpoint itself.
SIDE_FILES = ("*.json", "*.jinja", "*.txt", "*.model")
HUB_FILES = (*SIDE_FILES, "*.safetensors")


def copy_pretrained(
    settings: PretrainedPolicy, *, checkpoint: Path, texts: Sequence[str], seed: int, progress: Progress
) -> None:
    """Checks that the model's files load and copies them; texts and seed play no part."""
    progress.update(0, 3, "finding the model")
    source = _find(settings)
    progress.update(1, 3, "checking the model")
    weights = check_weights(source)
    ChatFormat(load_tokenizer(source))
    progress.update(2, 3, "copying the model")
    side_files = {file for pattern in SIDE_FILES for file in source.glob(pattern)}
    for file in sorted({*weights, *side_files}):
        # A copy, not a link: the artifact must not change when the user's file does.
        shutil.copyfile(file, checkpoint / file.name)
    progress.update(3, 3)


def _find(settings: PretrainedPolicy) -> Path:
    """The local directory, or the Hub's files in its cache."""
    if settings.is_local:
        return Path(settings.model)
    if settings.model.startswith(("/", ".", "~")) or settings.model.count("/") > 1:
        raise PolicyError(
            "The model directory does not exist.",
            where=settings.model,
            next_step="set policy.model to a model directory or to a Hub id such as Qwen/Qwen3-4B",
        )
    try:
        return Path(snapshot_download(settings.model, revision=settings.revision, allow_patterns=list(HUB_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise PolicyError(
            f"The model cannot be fetched from the Hub: {reason}",
            where=f"policy.model = {settings.model}",
            next_step="correct the id or the network, or set policy.model to a directory",
        ) from error
