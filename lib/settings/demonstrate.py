"""Who shows the way, and how much of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from lib.settings.section import Section
from lib.settings.synthesis import Domain
from lib.settings.teacher import OracleTeacher, TeacherSettings


class DemonstrateSettings(Section):
    """Episodes for the warm-up."""

    num_episodes: int = Field(256, ge=1)
    """Demonstrations to learn from."""
    domain_weights: dict[Domain, Annotated[float, Field(ge=0)]] = {}
    """How many of them belong to a domain, relative to the others; those that are not named have 1. Where a domain's
    questions run out, the others fill its place."""
    teacher: TeacherSettings = OracleTeacher()
    """Who plays them."""
    detour_share: float = Field(0.15, ge=0, le=1)
    """Share of the oracle's steps with a detour: a vague search first; at most once in an SQL episode, a query with a
    mistake that it mends; at most once in an episode on images, a second look at what was plain."""
    miss_share: float = Field(0.4, ge=0, lt=1)
    """Share of the oracle's looks at what is small that point at another part of the picture, where nothing is, so that
    a policy which cannot tell the place from afar learns to go on looking."""
    min_trained_share: float = Field(0.05, ge=0, le=1)
    """Gate: least share of trained tokens in the demonstrations."""
    max_trained_share: float = Field(0.95, ge=0, le=1)
    """Gate: greatest share of the same."""

    @model_validator(mode="after")
    def trained_shares_form_a_range(self) -> DemonstrateSettings:
        if self.min_trained_share > self.max_trained_share:
            raise ValueError("min_trained_share must not exceed max_trained_share, since no episodes could pass")
        return self
