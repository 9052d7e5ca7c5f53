"""Who plays the demonstrations of the warm-up."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lib.settings.endpoint import EndpointPolicySettings
from lib.settings.section import Section


class OracleTeacher(Section):
    """Follows each question's evidence with real tool calls: deterministic and offline."""

    type: Literal["oracle"] = "oracle"


class OpenAITeacher(EndpointPolicySettings):
    """A language model behind an endpoint; only its right episodes are kept."""

    type: Literal["openai"]
    samples: int = Field(4, ge=1, le=64)
    """Attempts at a question, at most; the first right and well-formed one is kept."""


TeacherSettings = Annotated[OracleTeacher | OpenAITeacher, Field(discriminator="type")]
