"""SQL answers in the formats of the official evaluators.

predictions/<benchmark>/gold.sql        Spider: a query, a tab, the database, one question a line
predictions/<benchmark>/<policy>.sql    Spider: a query a line, in the same order
predictions/<benchmark>/<policy>.json   BIRD: {"0": "query\\t----- bird -----\\tdatabase", ...}, the numbers those
                                        of the questions in the benchmark's file
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

BIRD = "\t----- bird -----\t"
NO_ANSWER = "SELECT 'no answer'"  # an empty line would end a conversation for Spider's evaluator
# Quoted text and names; comments, of which one to the end of its line would swallow what follows; other space.
_PIECE = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)|(?:--[^\n]*|/\*.*?\*/|\s)+""", re.DOTALL)
_BREAK = re.compile(r"[\t-\r\x1c-\x1e\x85\u2028\u2029]")  # what some reader takes for the end of a line or field


def write_predictions(
    folder: Path, questions: pa.Table, episodes: Mapping[str, pa.Table], positions: Mapping[str, int]
) -> None:
    """Write the files of one benchmark.

    Args:
        questions: in any order; files are in that of ``positions``.
        episodes: one greedy episode a question, by policy.
        positions: of questions in the benchmark's file, by id.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["id", "answer", "database_id"]
    rows = sorted(questions.select(columns).to_pylist(), key=lambda row: positions[row["id"]])
    names = [row["database_id"].rpartition("/")[2] for row in rows]
    gold = [f"{_one_line(row['answer'])}\t{name}" for row, name in zip(rows, names, strict=True)]
    _write_lines(folder / "gold.sql", gold)
    for policy, table in episodes.items():
        answers = dict(zip(table["question_id"].to_pylist(), table["answer"].to_pylist(), strict=True))
        lines = [_one_line(answers.get(row["id"]) or NO_ANSWER) for row in rows]
        _write_lines(folder / f"{policy}.sql", lines)
        numbered = {
            str(positions[row["id"]]): f"{line}{BIRD}{name}" for row, line, name in zip(rows, lines, names, strict=True)
        }
        (folder / f"{policy}.json").write_text(json.dumps(numbered, indent=1, ensure_ascii=False))


def _one_line(sql: str) -> str:
    """The statement without comments; breaks within quotes become spaces too, as a line has no place for them."""
    joined = _PIECE.sub(lambda piece: _BREAK.sub(" ", piece[1]) if piece[1] else " ", sql)
    return joined.strip().rstrip("; ") or NO_ANSWER


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
