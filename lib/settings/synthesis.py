"""How questions are made; what is said of hops, degrees, clues and blur concerns those from a graph."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from lib.settings.endpoint import EndpointSettings
from lib.settings.judge import JudgeSettings, NoJudge
from lib.settings.section import Section
from lib.settings.sql_synthesis import SqlSynthesisSettings
from lib.settings.vision_synthesis import VisionSynthesisSettings

# What questions are about, and with it which tools answer them.
Domain = Literal["knowledge", "sql", "vision"]
DOMAINS: tuple[str, ...] = get_args(Domain)


class TemplateWriter(Section):
    """Deterministic and offline: varied sentence patterns."""

    type: Literal["template"] = "template"


class OpenAIWriter(EndpointSettings):
    """A language model behind an endpoint."""

    type: Literal["openai"]
    temperature: float = Field(0.2, ge=0, le=2)


WriterSettings = Annotated[TemplateWriter | OpenAIWriter, Field(discriminator="type")]


class SynthesisSettings(Section):
    domains: tuple[Domain, ...] = ("knowledge", "sql")
    """Domains from which questions are made."""
    num_questions: int = Field(2000, ge=1)
    """Questions of each domain to keep, over all splits."""
    min_hops: int = Field(1, ge=1, le=16)
    """Fewest look-ups of a question: the edges of its path, and the attribute it asks for."""
    max_hops: int = Field(2, ge=1, le=16)
    """Most look-ups of a question."""
    min_degree: int = Field(1, ge=0)
    """Nodes with fewer neighbours are not walked through."""
    max_degree: int = Field(4000, ge=1)
    """Nodes with more neighbours are not walked through."""
    start_types: tuple[str, ...] = ()
    """Entity types at which walks start; empty means any."""
    answer: Literal["entity", "attribute", "either"] = "either"
    """What the question asks for: the last entity, or an attribute of it."""
    blur: float = Field(0.0, ge=0, le=1)
    """Share of clues whose names and exact values are replaced by descriptions, ranges and buckets."""
    extra_clues: int = Field(0, ge=0, le=8)
    """Steps of a path, at most, that lead to several entities, each with a clue that singles one out."""
    sql: SqlSynthesisSettings = SqlSynthesisSettings()
    """What concerns questions about databases alone."""
    vision: VisionSynthesisSettings = VisionSynthesisSettings()
    """What concerns questions about images alone."""
    writer: WriterSettings = TemplateWriter()
    """Who turns a path, or a query, into words."""
    max_answer_share: float = Field(0.02, gt=0, le=1)
    """Most questions of a split, as a share of those wanted, with the same answer."""
    max_pattern_share: float = Field(0.08, gt=0, le=1)
    """Most questions of a split, as a share of those wanted, with the same relations in the same order."""
    duplicate_threshold: float = Field(0.9, gt=0, le=1)
    """Estimated Jaccard similarity of word shingles from which a question counts as a duplicate."""
    judge: JudgeSettings = NoJudge()
    """Whose attempts at a question decide whether it is kept."""
    difficulty_attempts: int = Field(4, ge=1, le=64)
    """Attempts of the judge at a question."""
    difficulty_min_successes: int = Field(0, ge=0)
    """Fewest successes with which a question is kept."""
    difficulty_max_successes: int = Field(0, ge=0)
    """Most successes with which a question is kept."""
    min_difficulty: float = Field(0.0, ge=0, le=1)
    """Lower bound of the graph measure of difficulty, used without a judge."""
    max_difficulty: float = Field(1.0, ge=0, le=1)
    """Upper bound of the same."""
    validation_share: float = Field(0.15, gt=0, lt=1)
    """Share of questions, and of entities, in the validation split."""
    test_share: float = Field(0.25, gt=0, lt=1)
    """Share of questions, and of entities, in the held-out split."""

    @model_validator(mode="after")
    def every_domain_is_named_once(self) -> SynthesisSettings:
        if not self.domains:
            raise ValueError(
                f"domains must name at least one of {', '.join(DOMAINS)}, since questions are about something"
            )
        if len(set(self.domains)) < len(self.domains):
            raise ValueError("domains must name every domain once, since its questions are made once")
        return self

    @model_validator(mode="after")
    def somebody_sees_what_is_asked(self) -> SynthesisSettings:
        if self.vision.questions == "seen" and not isinstance(self.writer, OpenAIWriter):
            raise ValueError("vision.questions=seen needs writer.type=openai, since nobody else looks at the images")
        return self

    @model_validator(mode="after")
    def hops_form_a_range(self) -> SynthesisSettings:
        if self.min_hops > self.max_hops:
            raise ValueError("min_hops must not exceed max_hops, since no path could have a length in between")
        return self

    @model_validator(mode="after")
    def successes_form_a_range(self) -> SynthesisSettings:
        if not self.difficulty_min_successes <= min(self.difficulty_max_successes, self.difficulty_attempts):
            raise ValueError(
                "difficulty_min_successes must exceed neither difficulty_max_successes nor difficulty_attempts, "
                "since no question could qualify"
            )
        return self

    @model_validator(mode="after")
    def difficulties_form_a_range(self) -> SynthesisSettings:
        if self.min_difficulty > self.max_difficulty:
            raise ValueError("min_difficulty must not exceed max_difficulty, since no question could qualify")
        return self

    @model_validator(mode="after")
    def degrees_form_a_window(self) -> SynthesisSettings:
        if self.min_degree > self.max_degree:
            raise ValueError("min_degree must not exceed max_degree, since no node could qualify")
        return self

    @model_validator(mode="after")
    def splits_leave_room_for_training(self) -> SynthesisSettings:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share + test_share must stay below 1, since training needs questions too")
        return self
