"""Questions that people wrote, as questions of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from lib.errors import SynthesisError
from lib.seeds import derive_seed
from lib.settings.synthesis import SynthesisSettings
from lib.sources.sql.schema import Database
from lib.synthesis.funnel import Funnel
from lib.synthesis.question_set import Made, wanted_by_split

# A hint, as BIRD's evaluation shows it to whoever answers.
HINT = "Hint: {evidence}"


def take_written(
    databases: Path, by_split: Mapping[str, Sequence[Database]], settings: SynthesisSettings, *, seed: int
) -> Made:
    """Questions of the source's own folder, in the splits of their databases or in splits of their own.

    Raises SynthesisError where a split has none.
    """
    table = pq.read_table(databases / "written_questions.parquet")
    written = [row for row in table.to_pylist() if row["benchmark"] == ""]
    split_of = {item.id: split for split, items in by_split.items() for item in items}
    shares = {"test": settings.test_share, "validation": settings.validation_share}
    if settings.sql.split_by == "question":
        splits = {row["id"]: _draw(row["id"], shares, seed) for row in written}
    else:
        splits = {row["id"]: split_of.get(row["database_id"]) for row in written}
    written.sort(key=lambda row: derive_seed(seed, "written", row["id"]))
    wanted = wanted_by_split(
        settings.num_questions, validation_share=settings.validation_share, test_share=settings.test_share
    )
    rows = []
    for split, most in wanted.items():
        chosen = [row for row in written if splits[row["id"]] == split][:most]
        rows += [question_row(row, split=split) for row in chosen]
        if not chosen:
            raise SynthesisError(
                f"No question for the split {split!r}: nobody has written one about its databases.",
                where=str(databases),
                kept="the databases",
                next_step="Give databases.source a benchmark's folder with more questions, or let them be made: "
                "`ropewalk run --set synthesis.sql.questions=synthesized`.",
            )
    funnel = Funnel(("written",))
    funnel.count("written", number=len(rows), example=rows[0]["prompt"])
    if left := len(written) - len(rows):
        funnel.count("written", "beyond num_questions", number=left)
    return Made(rows, funnel)


def read_benchmarks(databases: Path) -> dict[str, list[dict]]:
    """By benchmark, its questions as rows of the questions table, in the order of its file."""
    table = pq.read_table(databases / "written_questions.parquet")
    found: dict[str, list[dict]] = {}
    for row in sorted(table.to_pylist(), key=lambda row: row["position"]):
        if row["benchmark"]:
            found.setdefault(row["benchmark"], []).append(question_row(row, split="test"))
    return found


def read_positions(databases: Path, benchmark: str) -> dict[str, int]:
    """By question id, where the question stands in the benchmark's file."""
    table = pq.read_table(databases / "written_questions.parquet", columns=["benchmark", "id", "position"])
    rows = [row for row in table.to_pylist() if row["benchmark"] == benchmark]
    return {_id_of(row): row["position"] for row in rows}


def question_row(row: dict, *, split: str) -> dict:
    """A row of ``written_questions`` as one of QUESTIONS; hints stand behind the question."""
    hint = [HINT.format(evidence=row["evidence"])] if row["evidence"] else []
    first, *others = row["gold_sql"]
    return {
        "id": _id_of(row),
        "domain": "sql",
        "prompt": "\n".join([row["prompt"], *hint]),
        "answer": first,
        "aliases": others,
        "split": split,
        "hops": 1,
        "difficulty": 0.5,  # nobody has measured it
        "evidence": [],
        "images": None,
        "database_id": row["database_id"],
        "gold_sql": first,
        "level": row["level"],
        "source_ids": [row["database_id"]],
        "relations": [],
        "writer": "written",
        "filters_passed": ["written"],
        "seed": 0,
    }


def _id_of(row: dict) -> str:
    return f"{row['benchmark'] or 'written'}-{row['id']}"


def _draw(id: str, shares: Mapping[str, float], seed: int) -> str:
    """A split by chance that hangs on the question alone."""
    place = derive_seed(seed, "question splits", id) / 2**63
    return next(_below(place, shares), "train")


def _below(place: float, shares: Mapping[str, float]) -> Iterable[str]:
    bound = 0.0
    for split, share in shares.items():
        bound += share
        if place < bound:
            yield split
