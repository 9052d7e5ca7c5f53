"""Files of episodes that somebody chose by hand -> the table of demonstrations.

In: rows of the contract of episodes, as an artifact's `episodes.parquet` has them. Out: a table that fits the
contract, and notes. Tokens and masks cannot be made up, so nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from data_contracts.episodes import EPISODES
from lib.errors import ArtifactError
from lib.sources.files import read_rows
from lib.synthesis.curated.faults import Fault, Place, raise_faults
from lib.synthesis.curated.rules import broken_rules, unknown_columns

WHAT = "episodes"
COLUMNS = tuple(EPISODES.schema.names)


def read_episodes(files: Sequence[Path]) -> tuple[pa.Table, tuple[str, ...]]:
    """The table and notes on it; raises ArtifactError with every fault by file, line and column."""
    faults: list[Fault] = []
    parts: list[pa.Table] = []
    places: list[Place] = []
    for file in files:
        for row in read_rows(file, columns=COLUMNS, needed=COLUMNS[:1], synonyms={}):
            place = Place(file, row.line)
            found = [Fault(place, "", row.reason)] if row.reason else unknown_columns(EPISODES, row.values, place)
            if not found:
                part, found = _read_values(row.values, place)
                parts.append(part)
                places.append(place)
            faults += found
    raise_faults(faults, files, what=WHAT)
    if not parts:
        raise ArtifactError(
            "There is no episode in it.",
            where=", ".join(map(str, files)),
            next_step="choose rows of an artifact's episodes.parquet; `ropewalk show demonstrate` prints where it is",
        )
    table = pa.concat_tables(parts)
    raise_faults(broken_rules(EPISODES, table, places), files, what=WHAT)
    return EPISODES.check(table)[0].combine_chunks(), _notes(table)


def _read_values(values: dict[str, object], place: Place) -> tuple[pa.Table, list[Fault]]:
    """One row in the contract's types, with nulls where a column is missing or does not fit."""
    columns, faults = [], []
    for field in EPISODES.schema:
        try:
            columns.append(pa.array([values.get(field.name)], field.type))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            faults.append(Fault(place, field.name, f"is not of the type {field.type}: {error}"))
            columns.append(pa.nulls(1, field.type))
    return pa.table(columns, schema=EPISODES.schema), faults


def _notes(table: pa.Table) -> tuple[str, ...]:
    wrong = table["correct"].to_pylist().count(False)
    notes = ["Whether turns end on stop tokens is measured in the report, since it depends on the policy."]
    if wrong:
        notes.append(f"{wrong:,} of {table.num_rows:,} episodes answer wrong, and are imitated too.")
    return tuple(notes)
