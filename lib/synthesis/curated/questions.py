"""Files of hand-made questions -> the tables of a question set.

In: files in which a row is a question, and a graph whose pages its evidence stands on, if there is one.
Out: tables that fit the contract, with what follows from the rest filled in, and notes on what later
stages will miss. A file with a fault gives nothing but the list of its faults.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from sqlglot.errors import SqlglotError

from data_contracts.questions import FUNNEL, QUESTIONS, SPLITS
from lib.errors import ArtifactError
from lib.sources.files import Row, read_rows
from lib.sources.sql.hardness import hardness_of
from lib.synthesis.curated.cells import read_cell
from lib.synthesis.curated.faults import Fault, Place, raise_faults
from lib.synthesis.curated.pages import Pages
from lib.synthesis.curated.rules import broken_rules, unknown_columns
from lib.synthesis.curated.splits import assign_missing_splits, count_shared
from lib.synthesis.vision.team import TOGETHER

WHAT = "questions"
NEEDED = ("prompt", "answer")
SYNONYMS = {"prompt": ("question",)}
DEFAULTS = {"domain": "knowledge", "difficulty": 0.5, "writer": "hand", "seed": 0}  # 0.5: nobody has measured it
LISTS = ("aliases", "evidence", "source_ids", "relations", "filters_passed")
STEP_NEEDS = ("fact", "title", "page_id")


@dataclass(frozen=True)
class Curated:
    """What files of hand-made questions hold."""

    questions: pa.Table
    funnel: pa.Table
    notes: tuple[str, ...]  # what later stages will miss, in words


def read_questions(files: Sequence[Path], *, graph: Path | None = None) -> Curated:
    """Read, complete and check; raises ArtifactError with every fault by file, line and column."""
    pages = Pages(graph) if graph else None
    faults: list[Fault] = []
    rows: list[dict] = []
    places: list[Place] = []
    for file in files:
        for row in read_rows(file, columns=NEEDED, needed=NEEDED, synonyms=SYNONYMS):
            place = Place(file, row.line)
            faults += (found := _faults_of_shape(row, place))
            if not found:
                rows.append(_read_values(row, place, faults))
                places.append(place)
    raise_faults(faults, files, what=WHAT)
    if not rows:
        raise ArtifactError(
            "There is no question in it.",
            where=", ".join(map(str, files)),
            next_step="write a row for each question; docs/operating.md says what each column must hold",
        )
    for row, place in zip(rows, places, strict=True):
        faults += [Fault(place, "evidence", problem) for problem in _complete(row, pages)]
    raise_faults(faults, files, what=WHAT)
    assign_missing_splits(rows)
    table = pa.Table.from_pylist(rows, schema=pa.schema([field.with_nullable(True) for field in QUESTIONS.schema]))
    raise_faults(broken_rules(QUESTIONS, table, places), files, what=WHAT)
    return Curated(QUESTIONS.check(table)[0], _funnel(rows), tuple(_notes(rows, pages)))


def _faults_of_shape(row: Row, place: Place) -> list[Fault]:
    """A line that is no row, or one with columns that are not known."""
    if row.reason:
        return [Fault(place, "", row.reason)]
    faults = unknown_columns(QUESTIONS, row.values, place)
    missing = [name for name in NEEDED if name not in row.values]
    return faults + [Fault(place, name, "is missing") for name in missing]


def _read_values(row: Row, place: Place, faults: list[Fault]) -> dict:
    values = dict.fromkeys(QUESTIONS.schema.names)
    for field in QUESTIONS.schema:
        try:
            values[field.name] = read_cell(row.values.get(field.name), field.type)
        except ValueError as error:
            faults.append(Fault(place, field.name, str(error)))
            continue
        if values[field.name] is None and field.name in NEEDED:
            faults.append(Fault(place, field.name, "is empty"))
    return values


def _complete(row: dict, pages: Pages | None) -> list[str]:
    """Fill in what a file may leave out; return what is wrong with the evidence."""
    row |= {name: row[name] or [] for name in LISTS}
    row |= {name: value for name, value in DEFAULTS.items() if row[name] is None}
    row["prompt"], row["answer"] = row["prompt"].strip(), row["answer"].strip()
    if row["domain"] == "vision":
        problems = _complete_vision(row)
    else:
        problems = _complete_evidence(row, pages)
    if row["domain"] == "sql":
        _complete_sql(row)
    if row["hops"] is None:
        row["hops"] = max(1, len(row["evidence"]))
    if row["id"] is None:
        text = f"{row['prompt']}\x1f{row['answer']}"
        row["id"] = f"{row['domain']}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return problems


def _complete_evidence(row: dict, pages: Pages | None) -> list[str]:
    """Of a question whose evidence stands on pages."""
    problems = []
    for number, step in enumerate(row["evidence"], start=1):
        problem = pages.complete(step) if pages and step["fact"] and (step["title"] or step["page_id"]) else ""
        missing = [name for name in STEP_NEEDS if not step[name]]
        if problem or missing:
            problems.append(f"step {number}: {problem or ', '.join(missing) + ' missing'}")
    _link_steps(row)
    if pages and not row["source_ids"]:
        entities = [pages.entity_of(step["page_id"]) for step in row["evidence"]]
        row["source_ids"] = list(dict.fromkeys(filter(None, entities)))
    return problems


def _complete_vision(row: dict) -> list[str]:
    """A question about images: a step for each of them, in order, and perhaps one for all together."""
    images = row["images"] or []
    row["source_ids"] = row["source_ids"] or list(images)
    steps = row["evidence"]
    if steps and not len(images) <= len(steps) <= len(images) + 1:
        return [f"{len(steps)} steps for {len(images)} images; one for each, and perhaps one for all together"]
    for number, (step, image) in enumerate(zip(steps, images, strict=False), start=1):
        step["page_id"], step["title"] = step["page_id"] or image, step["title"] or f"picture {number}"
    for step in steps[len(images) :]:
        step["page_id"], step["title"], step["value"] = "", step["title"] or TOGETHER, step["value"] or row["answer"]
    return [f"step {number}: fact missing" for number, step in enumerate(steps, start=1) if not step["fact"]]


def _complete_sql(row: dict) -> None:
    """A question about a database: all of one database share a split, and the answer is the gold query."""
    row["gold_sql"] = row["gold_sql"] or row["answer"]
    row["source_ids"] = row["source_ids"] or [row["database_id"]] * (row["database_id"] is not None)
    if row["level"] is None:
        with suppress(SqlglotError):
            row["level"] = hardness_of(row["answer"])


def _link_steps(row: dict) -> None:
    """A search for a page's title finds the page; a step gives the title of the next one, the last the answer."""
    value = row["answer"]
    for step in reversed(row["evidence"]):
        step["query"] = step["query"] or step["title"]
        step["value"] = step["value"] or value
        value = step["title"]


def _funnel(questions: Sequence[dict]) -> pa.Table:
    """All came in by hand, and all are kept."""
    counts = Counter(row["domain"] for row in questions)
    rows = [
        {"domain": domain, "filter": name, "reason": "", "count": count, "example": ""}
        for domain, count in counts.items()
        for name in ("imported", "kept")
    ]
    return pa.Table.from_pylist([row | {"position": i} for i, row in enumerate(rows)], schema=FUNNEL.schema)


def _notes(rows: Sequence[dict], pages: Pages | None) -> list[str]:
    counts = Counter(row["split"] for row in rows)
    notes = [f"No question is in the split {name}, which later stages need." for name in SPLITS if not counts[name]]
    bare = sum(row["split"] == "train" and row["domain"] != "sql" and not row["evidence"] for row in rows)
    if bare:
        notes.append(
            f"{bare:,} of {counts['train']:,} training questions have no evidence: the oracle cannot demonstrate them "
            "(a teacher can: --set demonstrate.teacher.type=openai)."
        )
    if pages is None and any(row["evidence"] for row in rows):
        notes.append("The evidence was not compared with the pages of a graph, as none was given.")
    if shared := count_shared(rows):
        notes.append(
            f"Training and held-out questions share {shared:,} entities or chains of evidence; the gate "
            "on contamination in the report will say so."
        )
    return notes
