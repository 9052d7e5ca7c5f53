"""JSON objects of a benchmark's questions -> rows, under any of the names that benchmarks give to the same thing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib.errors import SourceError
from lib.sources.sql.benchmarks.benchmark import BenchmarkRow, RejectedRow
from lib.strict_json import load_json

# By field, the keys of Spider, BIRD and sql-eval, in the order in which they are looked for.
KEYS = {
    "id": ("id", "question_id", "instance_id"),
    "database_id": ("db_id", "database_id"),
    "question": ("question", "instruction"),
    "gold_sql": ("gold_sql", "query", "SQL", "sql"),
    "evidence": ("evidence", "instructions"),
    "hardness": ("hardness", "difficulty"),
    "external_knowledge": ("external_knowledge",),
}


def load_items(path: Path) -> list[Any]:
    """The items of a JSON list or of a file of JSON lines; a line that is no JSON is an item with its ValueError.

    Raises SourceError for a file that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        if path.suffix == ".jsonl":
            return [_load_line(line) for line in text.splitlines() if line.strip()]
        items = load_json(text, mend_halves=True)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"The file cannot be read: {error}", where=str(path), next_step="Check that the file is there and whole."
        ) from error
    if not isinstance(items, list):
        raise SourceError("The file holds no list.", where=str(path), next_step="Give a JSON list of objects.")
    return items


def _load_line(line: str) -> Any:
    try:
        return load_json(line, mend_halves=True)
    except ValueError as error:
        return error


def make_rows(
    items: Iterable[Any], *, file: str, name: str, databases: dict[str, Path]
) -> tuple[tuple[BenchmarkRow, ...], tuple[RejectedRow, ...]]:
    """The rows that can be used and those that cannot."""
    rows: dict[str, BenchmarkRow] = {}
    rejected = []
    for position, item in enumerate(items):
        try:
            row = _make_row(item, position, name)
            if row.database_id not in databases:
                raise ValueError(f"there is no database {row.database_id!r}")
            if row.id in rows:
                raise ValueError(f"the id {row.id!r} stands at {rows[row.id].position} already")
        except ValueError as error:
            rejected.append(RejectedRow(file, position, _show(item), str(error)))
        else:
            rows[row.id] = row
    return tuple(rows.values()), tuple(rejected)


def _make_row(item: Any, position: int, name: str) -> BenchmarkRow:
    if isinstance(item, ValueError):
        raise item
    if not isinstance(item, dict):
        raise ValueError("no JSON object")
    gold = _first(item, "gold_sql")
    golds = tuple(sql.strip() for sql in (gold if isinstance(gold, list) else [gold]) if isinstance(sql, str))
    texts = {field: _text(item, field) for field in ("database_id", "question")}
    if not all(golds) or not golds:
        raise ValueError("there is no gold SQL")
    if missing := [field for field, text in texts.items() if not text]:
        raise ValueError(f"there is no {missing[0].replace('_id', '')}")
    id = _first(item, "id")
    return BenchmarkRow(
        id=str(id) if id not in (None, "") else f"{name}-{position}",
        position=position,
        gold_sql=golds,
        evidence=_text(item, "evidence"),
        hardness=_text(item, "hardness"),
        external_knowledge=_text(item, "external_knowledge") or _tell_now(item),
        **texts,
    )


def _first(item: dict, field: str) -> Any:
    return next((item[key] for key in KEYS[field] if item.get(key) is not None), None)


def _text(item: dict, field: str) -> str:
    value = _first(item, field)
    return value.strip() if isinstance(value, str) else ""


def _tell_now(item: dict) -> str:
    """Gold SQL with 'now' taken for a time; a question of 'the last month' cannot be answered without it."""
    now = item.get("reference_now")
    return f"The current time is {now}." if isinstance(now, str) and now else ""


def _show(item: Any) -> str:
    return str(item) if isinstance(item, ValueError) else json.dumps(item, ensure_ascii=False)[:500]
