"""Five episodes that show what the agent does well and where it fails.

In: the run's database. Out: episodes as turns, each a list of labelled pieces of text. Text is handed
on as it is; the template escapes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

PIECE = re.compile(r"<(tool_call|answer|think)>(.*?)(?:</\1>|\Z)", re.DOTALL)
SPECIAL = re.compile(r"<\|[^|<>]*\|>")
# What is shown, in order: (success?, which policies first, how many).
TRAINED = ("reinforce", "extrapolate", "warm_up", "base")
WANTED = ((True, TRAINED, 2), (False, TRAINED, 2), (False, ("base", "warm_up"), 1))
CANDIDATES = """
    SELECT e.id, e.policy, e.question_id, e.status, e.error, e.answer, e.correct, e.seconds, e.num_tokens,
           e.turns, len(e.tool_calls) AS num_calls, q.domain, q.prompt, q.answer AS gold, q.hops, q.level
    FROM episodes e JOIN questions q ON q.id = e.question_id
    WHERE e.stage = 'evaluate' AND e.benchmark = 'held_out_' || q.domain AND e.status <> 'failed' AND len(e.turns) > 1
    ORDER BY q.hops DESC, num_calls DESC, hash(e.question_id), e.id
"""


@dataclass(frozen=True)
class Piece:
    """A stretch of a turn: text, thought, call, answer or observation."""

    kind: str
    text: str


@dataclass(frozen=True)
class ReadableEpisode:
    policy: str
    question: str
    gold: str
    answer: str | None
    effort: str  # hops, or the level of a query
    status: str
    error: str | None
    is_correct: bool
    num_calls: int
    num_tokens: int
    seconds: float
    turns: list[tuple[str, list[Piece]]]  # (role, pieces)


def choose_episodes(connection: duckdb.DuckDBPyConnection) -> list[ReadableEpisode]:
    """Of each domain: two successes and two failures of the furthest trained policy, and a failure of the earliest.

    Long questions come first; the same question and, among failures, the same way to fail is shown
    once where there is a choice.
    """
    rows = connection.sql(CANDIDATES).to_arrow_table().to_pylist()
    domains = list(dict.fromkeys(row["domain"] for row in rows))
    return [
        _readable(row)
        for domain in sorted(domains)
        for row in _choose([row for row in rows if row["domain"] == domain])
    ]


def _choose(rows: Sequence[dict]) -> list[dict]:
    chosen: list[dict] = []
    for is_correct, policies, count in WANTED:
        fitting = [row for row in rows if row["correct"] == is_correct and row["policy"] in policies]
        fitting.sort(key=lambda row: policies.index(row["policy"]))  # stable: length stays second
        for _ in range(count):
            fresh = _freshest(fitting, chosen)
            if fresh is not None:
                chosen.append(fresh)
    return chosen


def _freshest(rows: Sequence[dict], chosen: Sequence[dict]) -> dict | None:
    """The first row that repeats least of what is chosen."""
    ids = {row["id"] for row in chosen}
    shown = {row["question_id"] for row in chosen}
    ways = {row["status"] for row in chosen if not row["correct"]}
    left = [row for row in rows if row["id"] not in ids]
    return min(
        left,
        key=lambda row: (row["question_id"] in shown, not row["correct"] and row["status"] in ways),
        default=None,
    )


def _readable(row: dict) -> ReadableEpisode:
    turns = [
        (turn["role"], list(split_turn(turn["role"], turn["text"])))
        for turn in row["turns"]
        if turn["role"] in ("assistant", "tool")
    ]
    return ReadableEpisode(
        policy=row["policy"],
        question=row["prompt"],
        gold=row["gold"],
        answer=row["answer"],
        effort=row["level"] or f"{row['hops']} hop{'' if row['hops'] == 1 else 's'}",
        status=row["status"],
        error=row["error"],
        is_correct=row["correct"],
        num_calls=row["num_calls"],
        num_tokens=row["num_tokens"],
        seconds=row["seconds"],
        turns=turns,
    )


def split_turn(role: str, text: str) -> Iterator[Piece]:
    """A turn in pieces, its special tokens left out; a tag that never closes runs to the end."""
    text = SPECIAL.sub("", text)
    if role != "assistant":
        yield Piece("observation", text.strip())
        return
    end = 0
    for match in PIECE.finditer(text):
        if before := text[end : match.start()].strip():
            yield Piece("text", before)
        kind = {"tool_call": "call", "answer": "answer", "think": "thought"}[match[1]]
        yield Piece(kind, _as_call(match[2]) if kind == "call" else match[2].strip())
        end = match.end()
    if after := text[end:].strip():
        yield Piece("text", after)


def _as_call(text: str) -> str:
    """``search(query: …)`` for a well-formed call; the raw text for any other."""
    try:
        call = json.loads(text)
        arguments = ", ".join(f"{name}: {value}" for name, value in call["arguments"].items())
        return f"{call['name']}({arguments})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return text.strip()
