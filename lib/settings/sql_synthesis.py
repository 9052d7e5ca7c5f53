"""How questions about databases are made."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from lib.settings.section import Section

Level = Literal["easy", "medium", "hard", "extra"]
Shape = Literal[
    "columns",
    "either",
    "count",
    "measures",
    "groups",
    "having",
    "top",
    "top_groups",
    "mean",
    "mean_of_group",
    "children",
    "combination",
    "best_of_each",
]


class SqlSynthesisSettings(Section):
    questions: Literal["synthesized", "written"] = "synthesized"
    """Made from the databases, or those that people wrote, where `databases.source` is a benchmark's folder."""
    split_by: Literal["database", "question"] = "database"
    """What no two splits share: a database, which takes three at least, or only a question."""
    levels: dict[Level, Annotated[float, Field(ge=0)]] = {"easy": 0.25, "medium": 0.4, "hard": 0.2, "extra": 0.15}
    """Shares of Spider's levels of hardness among the questions of a split; its own are 23, 44, 19 and 14 %."""
    shapes: dict[Shape, Annotated[float, Field(ge=0)]] = {
        "columns": 2.5,
        "count": 1.5,
        "measures": 1.5,
        "groups": 1.5,
        "top": 1.5,
    }
    """How often queries are of a shape, relative to the others; those that are not named have 1, and 0 leaves a shape
    out. Each is one way to ask: for columns, with either of two conditions, for a count, for other measures, by
    groups, for groups having a measure, for the first rows or groups by some order, for rows above the mean of all or
    of their group, for rows that others refer to or none, for two sets combined, for the first row of each group."""
    paraphrases: int = Field(0, ge=0, le=5)
    """Further wordings of each training question, as questions of their own beyond the wanted number."""
    dirty_values: float = Field(0.0, ge=0, le=1)
    """Share of the questions whose text values are told in another case or spacing than the database has, or by
    another name: one that the database describes, or that pycountry has."""

    @model_validator(mode="after")
    def some_level_and_shape_are_wanted(self) -> SqlSynthesisSettings:
        if sum(self.levels.values()) <= 0:
            raise ValueError("levels must give at least one level a share above 0, since every question has a level")
        if not any(self.shapes.get(shape, 1.0) for shape in get_args(Shape)):
            raise ValueError("shapes must leave at least one shape a weight above 0, since every query has a shape")
        return self
