"""Who judges how difficult a question is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lib.settings.endpoint import EndpointPolicySettings
from lib.settings.section import Section


class NoJudge(Section):
    """A measure of the graph stands for difficulty."""

    type: Literal["none"] = "none"


class PolicyJudge(Section):
    """A checkpoint attempts the questions in this process, in the section `environment`, with the section `engine`."""

    type: Literal["policy"]
    checkpoint: Path
    """Directory that transformers loads."""
    temperature: float = Field(1.0, gt=0, le=2)
    """Of the attempts."""


class OpenAIJudge(EndpointPolicySettings):
    """A language model behind an endpoint attempts the questions in the section `environment`."""

    type: Literal["openai"]


JudgeSettings = Annotated[NoJudge | PolicyJudge | OpenAIJudge, Field(discriminator="type")]
