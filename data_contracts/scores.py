"""Scores of policies on benchmarks, with their intervals, and the attempts behind them."""

from __future__ import annotations

import pyarrow as pa

from data_contracts.contract import ArtifactKind, Contract, Rule, required
from data_contracts.episodes import EPISODES

SCORES = Contract(
    name="scores",
    version=1,
    schema=pa.schema(
        [
            required("policy", pa.string()),
            required("benchmark", pa.string()),
            required("metric", pa.string()),
            required("value", pa.float64()),
            required("low", pa.float64()),  # 95 % bootstrap interval over questions
            required("high", pa.float64()),
            required("n", pa.int32()),  # questions
            required("k", pa.int32()),  # samples a question that the metric looks at
            required("decoding", pa.string()),  # JSON: temperature, top_p, samples, max_tool_calls
            required("seed", pa.int64()),
        ]
    ),
    rules=(
        Rule("value is finite", "isfinite(value)"),
        Rule("the interval holds the value", "low <= value + 1e-9 AND value <= high + 1e-9"),
    ),
    key=("policy", "benchmark", "metric", "k", "decoding"),
)

SCORE_SET = ArtifactKind(name="scores", tables=(SCORES, EPISODES), summary="scores")
REPORT = ArtifactKind(name="report", tables=(), paths=("report.html", "run.duckdb"))
