"""What the makers of all domains give -> one artifact of questions with one funnel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.questions import FUNNEL, QUESTIONS, SPLITS
from lib.synthesis.funnel import Funnel


@dataclass(frozen=True)
class Made:
    """The questions of one domain: rows of QUESTIONS, how they came about, and the tokens that endpoints took."""

    rows: list[dict]
    funnel: Funnel
    tokens: int = 0


def write_question_set(made: Mapping[str, Made], out: Path) -> None:
    """Write ``questions`` and ``funnel`` into ``out``; domains in the order given, their rows by split and id."""
    out.mkdir(parents=True, exist_ok=True)
    rows, funnel = [], []
    for domain, part in made.items():
        part.funnel.count("kept", number=len(part.rows), example=part.rows[0]["prompt"])
        rows += sorted(part.rows, key=lambda row: (SPLITS.index(row["split"]), row["id"]))
        funnel += [row | {"domain": domain} for row in part.funnel.rows()]
    numbered = [row | {"position": place} for place, row in enumerate(funnel)]
    pq.write_table(pa.Table.from_pylist(rows, schema=QUESTIONS.schema), out / "questions.parquet")
    pq.write_table(pa.Table.from_pylist(numbered, schema=FUNNEL.schema), out / "funnel.parquet")


def wanted_by_split(num_questions: int, *, validation_share: float, test_share: float) -> dict[str, int]:
    """Questions a split, held-out ones first; every split wants at least one."""
    validation = max(1, round(num_questions * validation_share))
    test = max(1, round(num_questions * test_share))
    return {"test": test, "validation": validation, "train": max(1, num_questions - validation - test)}
