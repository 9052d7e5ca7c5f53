"""A folder of a benchmark -> its questions and where its databases lie.

Three layouts are known by their files:

========= ==================================== ============================ ====================================
layout    questions                            schemata                     databases
========= ==================================== ============================ ====================================
BIRD      dev.json, train.json                 dev_tables.json              dev_databases/<id>/<id>.sqlite
Spider    dev.json, train_spider.json, ...     tables.json                  database/<id>/<id>.sqlite
plain     questions.jsonl                      schema.json                  databases/<id>.sqlite, <id>.sqlite
========= ==================================== ============================ ====================================
"""

from __future__ import annotations

from pathlib import Path

from lib.errors import SourceError
from lib.sources.sql.annotations import FOLDER, Annotations, read_descriptions
from lib.sources.sql.benchmarks.benchmark import Benchmark
from lib.sources.sql.benchmarks.rows import load_items, make_rows
from lib.sources.sql.benchmarks.schemata import annotations_of_labels, annotations_of_tables

SUFFIXES = (".sqlite", ".db", ".duckdb")


def read_benchmark(folder: Path, *, questions: str = "", name: str = "") -> Benchmark:
    """The questions of a benchmark with Spider's, BIRD's or the plain layout.

    Args:
        questions: the file of questions in the folder; dev.json, or questions.jsonl, without it.
        name: how ids of rows that have none begin; the folder's name without it.

    Raises SourceError for a folder without databases, for two files of one database and for a file that is no list.
    """
    name = name or folder.name
    databases = _find_databases(folder, questions)
    if not databases:
        raise SourceError(
            "The folder has no databases.",
            where=str(folder),
            next_step="Give a folder with database/, dev_databases/ or databases/ as Spider and BIRD have it.",
        )
    annotations = _read_schemata(folder, questions, databases)
    path = _find_questions(folder, questions)
    items = load_items(path) if path else []
    rows, rejected = make_rows(items, file=path.name if path else "", name=name, databases=databases)
    return Benchmark(name, rows, rejected, databases, annotations)


def _find_questions(folder: Path, questions: str) -> Path | None:
    """A folder of databases alone has none, which is no fault; a file that is asked for must be there."""
    if questions:
        return folder / questions
    return next((folder / name for name in ("dev.json", "questions.jsonl") if (folder / name).is_file()), None)


def _split_of(questions: str) -> str:
    """``train_spider.json`` -> train."""
    return Path(questions or "dev").stem.split("_")[0]


def _find_databases(folder: Path, questions: str) -> dict[str, Path]:
    split = _split_of(questions)
    for name in (f"{split}_databases", f"{split}_database", "database", "databases", "."):
        if paths := _list_files(folder / name):
            return _by_name(paths)
    return {}


def _by_name(paths: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if (other := found.setdefault(path.stem, path)) != path:
            raise SourceError(
                f"Two files would be the database {path.stem!r}: {other.name} and {path.name}.",
                where=str(path),
                next_step="Take the one that the questions are not about out of the folder.",
            )
    return found


def _list_files(folder: Path) -> list[Path]:
    """Database files of the folder, and of its folders those that bear their folder's name."""
    nested = (path for path in folder.glob("*/*") if path.stem == path.parent.name)
    return sorted(path for path in (*folder.glob("*"), *nested) if path.suffix in SUFFIXES and path.is_file())


def _read_schemata(folder: Path, questions: str, databases: dict[str, Path]) -> dict[str, Annotations]:
    """What the list of schemata says of each database, under what its own descriptions say."""
    found: dict[str, Annotations] = {}
    split = _split_of(questions)
    for name, make in (
        (f"{split}_tables.json", annotations_of_tables),
        ("tables.json", annotations_of_tables),
        ("schema.json", annotations_of_labels),
    ):
        if (folder / name).is_file():
            found = make(load_items(folder / name))
            break
    for id, path in databases.items():
        described = path.parent / FOLDER
        if described.is_dir():
            found[id] = found.get(id, Annotations()) | read_descriptions(described)
    return found
