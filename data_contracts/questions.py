"""Questions with their answers, evidence and provenance, and the funnel that they came through."""

from __future__ import annotations

import pyarrow as pa

from data_contracts.contract import ArtifactKind, Contract, Rule, optional, required

SPLITS = ("train", "validation", "test")

EVIDENCE = pa.struct(
    [
        ("page_id", pa.string()),  # the page on which the fact stands
        ("title", pa.string()),
        ("query", pa.string()),  # a search that finds the page, made only from what is known by then
        ("fact", pa.string()),  # the sentence as the page writes it
        ("value", pa.string()),  # what the sentence gives: the next entity's label, or the answer
    ]
)

QUESTIONS = Contract(
    name="questions",
    version=2,
    schema=pa.schema(
        [
            required("id", pa.string()),
            required("domain", pa.string()),
            required("prompt", pa.string()),
            required("answer", pa.string()),
            required("aliases", pa.list_(pa.string())),
            required("split", pa.string()),
            required("hops", pa.int32()),
            required("difficulty", pa.float64()),  # in [0, 1]; the share of failed attempts, or a graph measure
            required("evidence", pa.list_(EVIDENCE)),  # in the order of reasoning
            optional("images", pa.list_(pa.string())),
            optional("database_id", pa.string()),
            optional("gold_sql", pa.string()),
            optional("level", pa.string()),  # of an SQL question: Spider's hardness, or a benchmark's own word
            required(
                "source_ids", pa.list_(pa.string())
            ),  # entities of the path, start first, then those that clues name
            required("relations", pa.list_(pa.string())),  # relations of the path, "~" marks an inverse step
            required("writer", pa.string()),
            required("filters_passed", pa.list_(pa.string())),
            required("seed", pa.int64()),
        ]
    ),
    rules=(
        Rule("prompt is not empty", "trim(prompt) <> ''"),
        Rule("answer is not empty", "trim(answer) <> ''"),
        Rule("an SQL question has its database", "domain <> 'sql' OR database_id IS NOT NULL"),
        Rule("split is known", "split IN ('train', 'validation', 'test')"),
        Rule("difficulty is a share", "difficulty BETWEEN 0 AND 1"),
        Rule("a question about images has one to eight", "domain <> 'vision' OR len(images) BETWEEN 1 AND 8"),
        # One about images may name what to choose from, such as "true or false".
        Rule(
            "the answer is not in the prompt",
            "domain = 'vision' OR NOT contains(lower(prompt), lower(answer)) OR length(answer) < 3",
        ),
    ),
    key=("id",),
)

FUNNEL = Contract(
    name="funnel",
    version=2,
    schema=pa.schema(
        [
            required("position", pa.int32()),
            required("domain", pa.string()),
            required("filter", pa.string()),  # "walks" or "drawn" first, then each filter in order, "kept" last
            required("reason", pa.string()),  # "" for the rows that went on
            required("count", pa.int64()),
            required("example", pa.string()),
        ]
    ),
    rules=(Rule("count is not negative", "count >= 0"),),
)

QUESTION_SET = ArtifactKind(name="questions", tables=(QUESTIONS, FUNNEL), summary="questions")
