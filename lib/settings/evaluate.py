"""How policies are judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.settings.section import Section

JudgedStage = Literal["base", "warm_up", "reinforce", "extrapolate"]


class EvaluateSettings(Section):
    questions: int = Field(200, ge=1)
    """Held-out questions of each domain at most."""
    benchmark_questions: int = Field(200, ge=0)
    """Questions of each benchmark of `databases.benchmarks` and `images.benchmarks` at most; 0 takes all."""
    samples: int = Field(4, ge=1)
    """Attempts a question for pass@k and picking, at the sampling temperature."""
    sampled_questions: int = Field(16, ge=0)
    """Held-out questions that get the further samples; 0 leaves test-time scaling out."""
    temperature: float = Field(1.0, gt=0)
    """Of the further samples; the headline accuracy is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    budgets: tuple[Annotated[int, Field(ge=0)], ...] = (1, 2, 3, 4)
    """Tool-call budgets of the test-time curve."""
    attention_episodes: int = Field(20, ge=0)
    """Episodes on images that call a tool, with and without what it brings, in which the last policy's attention is
    measured; 0 leaves it out."""
    bootstrap_resamples: int = Field(2000, ge=100)
    policies: tuple[JudgedStage, ...] = Field(("base", "warm_up", "reinforce", "extrapolate"), min_length=1)
    """Stages whose checkpoints are judged."""

    @model_validator(mode="after")
    def every_policy_is_named_once(self) -> EvaluateSettings:
        if len(set(self.policies)) < len(self.policies):
            raise ValueError("policies must name every stage once, since each is judged once")
        return self
