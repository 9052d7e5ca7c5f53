"""Scores of policies on benchmarks, with their intervals, and the attempts behind them."""

from __future__ import annotations

import pyarrow as pa

from data_contracts.contract import ArtifactKind, Contract, Rule, required
from data_contracts.episodes import EPISODES

# What policies are tried on: the held-out questions of a domain, as `held_out_sql`, or a benchmark by its name.
HELD_OUT = "held_out_"
# Attempts of another kind at the same questions have a suffix.
SAMPLED = "_sampled"
SIGHTS = {"once": "_once", "none": "_blind"}  # by which images are shown, where not all are
# Metrics of a question set: accuracy with all images less that with those, question by question.
WORTH = {"once": "accuracy_gain_of_tools", "none": "accuracy_gain_of_images"}
# Metrics of each fifth, from 1, of what an episode's policy wrote: the share of its attention that lies on images, and
# images' share of the tokens that it could attend to.
IMAGE_ATTENTION, IMAGE_TOKENS = "image_attention_", "image_tokens_"
# SQL answers as the official evaluators read them: `predictions/<benchmark>/<policy>.sql` and the like.
PREDICTIONS = "predictions"

SCORES = Contract(
    name="scores",
    version=2,
    schema=pa.schema(
        [
            required("policy", pa.string()),
            required("benchmark", pa.string()),
            required("domain", pa.string()),
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

SCORE_SET = ArtifactKind(name="scores", tables=(SCORES, EPISODES), paths=(PREDICTIONS,), summary="scores")
REPORT = ArtifactKind(name="report", tables=(), paths=("report.html", "run.duckdb"))
