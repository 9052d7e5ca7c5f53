"""Databases that questions are made about or policies are tried on, and questions that people wrote about them."""

from __future__ import annotations

import pyarrow as pa

from data_contracts.contract import ArtifactKind, Contract, Rule, required
from data_contracts.graph import REJECTED_ROWS

# The files of the databases, as `files/<id>.sqlite`, `files/<benchmark>/<id>.duckdb` and the like.
FILES = "files"

DATABASES = Contract(
    name="databases",
    version=1,
    schema=pa.schema(
        [
            required("id", pa.string()),  # of a benchmark's database: benchmark/id
            required("benchmark", pa.string()),  # "" for those that questions are made about
            required("rule", pa.string()),  # by which results are compared
            required("dialect", pa.string()),
            required("file", pa.string()),  # below `files`
            required("num_tables", pa.int32()),
            required("num_columns", pa.int32()),
            required("num_rows", pa.int64()),  # of the tables that could be counted
            required("num_foreign_keys", pa.int32()),
            required("remarks", pa.list_(pa.string())),  # what was left out or only partly looked at
            required("schema", pa.string()),  # JSON of lib.sources.sql.schema_json, without the path
        ]
    ),
    rules=(
        Rule("dialect is known", "dialect IN ('duckdb', 'sqlite')"),
        Rule("rule is known", "rule IN ('spider', 'bird', 'tolerant')"),
        Rule("a database has tables", "num_tables > 0"),
    ),
    key=("id",),
)

WRITTEN_QUESTIONS = Contract(
    name="written_questions",
    version=1,
    schema=pa.schema(
        [
            required("id", pa.string()),
            required("benchmark", pa.string()),  # "" for those that can be trained on
            required("position", pa.int32()),  # in the benchmark's file, from 0
            required("database_id", pa.string()),
            required("prompt", pa.string()),
            required("gold_sql", pa.list_(pa.string())),  # any of them is right; each runs
            required("evidence", pa.string()),  # a hint that belongs to the question
            required("level", pa.string()),  # Spider's, or the benchmark's own word where it has one
        ]
    ),
    rules=(Rule("prompt is not empty", "trim(prompt) <> ''"), Rule("there is gold SQL", "len(gold_sql) > 0")),
    key=("benchmark", "id"),
)

DATABASE_SET = ArtifactKind(
    name="databases", tables=(DATABASES, WRITTEN_QUESTIONS, REJECTED_ROWS), paths=(FILES,), summary="databases"
)
