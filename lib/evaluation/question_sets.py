"""What policies are tried on: the held-out questions of each domain, and benchmarks that people wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.questions import QUESTIONS
from data_contracts.scores import HELD_OUT
from lib.rollout.choose_questions import choose_questions
from lib.seeds import derive_seed
from lib.settings.evaluate import EvaluateSettings
from lib.synthesis.sql.written import read_benchmarks
from lib.synthesis.vision.written import read_statements


@dataclass(frozen=True)
class QuestionSet:
    """Questions with a name of their own in the scores."""

    name: str
    domain: str
    questions: pa.Table  # rows of QUESTIONS

    @property
    def is_held_out(self) -> bool:
        """Of the run's own questions; else of a benchmark."""
        return self.name.startswith(HELD_OUT)


def list_question_sets(inputs: Mapping[str, Path], settings: EvaluateSettings, *, seed: int) -> list[QuestionSet]:
    """Held-out questions by domain, then benchmarks, each chosen by the seed alone.

    Raises SynthesisError where no question is held out.
    """
    path = inputs["synthesize"] / "questions.parquet"
    split = pq.read_table(path, columns=["domain", "split"])
    domains = pc.unique(split.filter(pc.equal(split["split"], "test"))["domain"]).to_pylist()
    sets = [
        QuestionSet(
            f"{HELD_OUT}{domain}",
            domain,
            choose_questions(path, split="test", count=settings.questions, seed=seed, domain=domain),
        )
        for domain in domains or [None]
    ]
    for domain, written in _read_written(inputs):
        for name, rows in written.items():
            rows.sort(key=lambda row: derive_seed(seed, "benchmark", row["id"]))
            chosen = rows[: settings.benchmark_questions or None]
            sets.append(QuestionSet(name, domain, pa.Table.from_pylist(chosen, schema=QUESTIONS.schema)))
    return sets


def _read_written(inputs: Mapping[str, Path]) -> Iterator[tuple[str, dict[str, list[dict]]]]:
    """By domain, the benchmarks that people wrote, as rows of the questions table."""
    if "databases" in inputs:
        yield "sql", read_benchmarks(inputs["databases"])
    if "images" in inputs:
        yield "vision", read_statements(inputs["images"])
