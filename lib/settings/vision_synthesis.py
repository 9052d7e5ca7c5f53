"""How questions over several images are made."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from lib.settings.section import Section

Kind = Literal[
    "which", "count", "compare", "order", "odd one out", "statement", "fact", "spatial", "detail", "difference"
]


class VisionSynthesisSettings(Section):
    questions: Literal["known", "seen"] = "known"
    """About what labels, attributes and layouts say of the images, which a writer only words; or about what an
    endpoint (synthesis.writer.type=openai) sees on them, of which nothing need be known."""
    solver_attempts: int = Field(2, ge=1, le=16)
    """Attempts of an endpoint at a question: more than half must be right with all pictures, and not all may be
    with all pictures hidden, nor with any one of them missing."""
    kinds: dict[Kind, Annotated[float, Field(ge=0)]] = {}
    """How often questions are of a kind, relative to the others; those that are not named have 1, and 0 leaves a kind
    out. In turn: which picture shows a thing, how many do, which has the greatest number, in which order they are,
    which differs from the others, whether a sentence about them is true, joins with facts that no picture shows, where
    things stand, a detail of the picture that a thing is in, what differs between two."""
    collections: dict[str, Annotated[float, Field(ge=0)]] = {}
    """How often questions are about a collection of images, likewise."""
    min_pictures: int = Field(2, ge=2, le=8)
    """Fewest pictures of a question."""
    max_pictures: int = Field(8, ge=2, le=8)
    """Most pictures of a question."""

    @model_validator(mode="after")
    def some_kind_is_wanted(self) -> VisionSynthesisSettings:
        if not any(self.kinds.get(kind, 1.0) for kind in get_args(Kind)):
            raise ValueError("kinds must leave at least one kind a weight above 0, since every question is of one")
        return self

    @model_validator(mode="after")
    def pictures_form_a_range(self) -> VisionSynthesisSettings:
        if self.min_pictures > self.max_pictures:
            raise ValueError("min_pictures must not exceed max_pictures, since no number could be in between")
        return self
