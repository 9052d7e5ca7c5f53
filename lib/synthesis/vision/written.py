"""Statements that people wrote about images, as questions of a run."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from lib.synthesis.vision.asks import truth


def read_statements(images: Path) -> dict[str, list[dict]]:
    """By benchmark, its statements as rows of the questions table, in the order of its file."""
    benchmarks: dict[str, list[dict]] = {}
    for row in pq.read_table(images / "image_statements.parquet").to_pylist():
        benchmarks.setdefault(row["benchmark"], []).append(_question_row(row))
    return benchmarks


def _question_row(row: dict) -> dict:
    return {
        "id": f"{row['benchmark']}-{row['id']}",
        "domain": "vision",
        "prompt": f"True or false? {row['statement']}",
        "answer": truth(row["holds"]),
        "aliases": [],
        "split": "test",
        "hops": 0,
        "difficulty": 0.5,
        "evidence": [],
        "images": row["images"],
        "database_id": None,
        "gold_sql": None,
        "level": row["level"] or "statement",
        "source_ids": row["images"],
        "relations": [],
        "writer": "people",
        "filters_passed": [],
        "seed": 0,
    }
