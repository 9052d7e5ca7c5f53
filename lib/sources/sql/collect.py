"""Settings -> the tables and files of a `databases` artifact.

Every database is copied, so that what a run has seen stays as it was; gold SQL that people wrote is run once, and a
question whose gold SQL gives no result to compare with is set aside with the reason.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.databases import DATABASE_SET, FILES
from lib.errors import SourceError
from lib.progress import Progress
from lib.settings.databases import BenchmarkFolder, DatabaseFiles, DatabaseSettings, EmbeddedDatabases, Rule
from lib.sources.sql.benchmarks.benchmark import BenchmarkRow
from lib.sources.sql.benchmarks.gold import check_gold, rejected_row
from lib.sources.sql.benchmarks.read import read_benchmark
from lib.sources.sql.database_set import SUFFIXES, database_row
from lib.sources.sql.distractors import add_distractors
from lib.sources.sql.embedded.build import PLANS, build_embedded
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.read import read_database
from lib.sources.sql.schema import Database, Dialect
from lib.sources.sql.schema_json import database_from_json, database_to_json


@dataclass(frozen=True)
class Found:
    """A database on its way into the artifact."""

    database: Database
    rule: Rule
    benchmark: str = ""


def collect_databases(settings: DatabaseSettings, *, out: Path, scratch: Path, progress: Progress) -> None:
    """Write the tables of the kind ``databases`` and the files into ``out``.

    Raises SourceError for a file that cannot be read and where there is no database at all.
    """
    files = out / FILES
    files.mkdir(parents=True)
    found: list[Found] = []
    questions: list[dict] = []
    rejected: list[dict] = []
    for item in _read_source(settings, files, scratch):
        found.append(item)
        progress.update(len(found), _count_source(settings), item.database.id)
    found = _with_distractors(found, settings)
    with Pool() as pool:
        for folder, benchmark in _folders(settings):
            databases, rows, bad = _read_folder(folder, benchmark, files, progress)
            kept, unusable = check_gold(
                rows,
                {id: item.database for id, item in databases.items()},
                folder,
                benchmark,
                pool=pool,
                seconds=settings.query_seconds,
                progress=progress,
            )
            found += databases.values()
            questions += kept
            rejected += bad + unusable
    tables = {
        "databases": [database_row(item.database, benchmark=item.benchmark, rule=item.rule) for item in found],
        "written_questions": questions,
        "rejected_rows": rejected,
    }
    for contract in DATABASE_SET.tables:
        table = pa.Table.from_pylist(tables[contract.name], schema=contract.schema)
        pq.write_table(table, out / f"{contract.name}.parquet")
    told = f"{len(found):,} databases" + f", {len(questions):,} written questions" * bool(questions)
    progress.update(len(found), len(found), told + f", {len(rejected):,} set aside" * bool(rejected))


def _read_source(settings: DatabaseSettings, files: Path, scratch: Path) -> Iterator[Found]:
    """The databases that questions are made about; a benchmark's folder is read with the others."""
    source = settings.source
    if isinstance(source, EmbeddedDatabases):
        built = build_embedded(scratch / "embedded", dialect=Dialect(source.dialect), ids=source.ids or tuple(PLANS))
        for id, path in built.items():
            yield Found(_take(path, files / id, lambda path=path, id=id: read_database(path, id=id)), "tolerant")
    elif isinstance(source, DatabaseFiles):
        _require_names_apart(source.paths)
        for path in source.paths:
            loaded = scratch / "loaded" / f"{path.stem}.duckdb"
            loaded.parent.mkdir(parents=True, exist_ok=True)
            yield Found(
                _take(path, files / path.stem, lambda path=path, loaded=loaded: read_database(path, loaded=loaded)),
                "tolerant",
            )


def _with_distractors(found: list[Found], settings: DatabaseSettings) -> list[Found]:
    tables, columns = settings.distractor_tables, settings.distractor_columns
    if not tables and not columns:
        return found
    widened = add_distractors([item.database for item in found], tables=tables, columns=columns)
    return [replace(item, database=database) for item, database in zip(found, widened, strict=True)]


def _count_source(settings: DatabaseSettings) -> int:
    source = settings.source
    return len(source.paths) if isinstance(source, DatabaseFiles) else len(getattr(source, "ids", ()) or PLANS)


def _folders(settings: DatabaseSettings) -> list[tuple[BenchmarkFolder, str]]:
    """With the name of the benchmark, which is empty for the folder that is trained on."""
    own = [(settings.source, "")] if isinstance(settings.source, BenchmarkFolder) else []
    return own + [(folder, folder.title) for folder in settings.benchmarks]


def _read_folder(
    folder: BenchmarkFolder, benchmark: str, files: Path, progress: Progress
) -> tuple[dict[str, Found], list[BenchmarkRow], list[dict]]:
    """Databases by the folder's ids, its rows whose database can be read, and what cannot be."""
    read = read_benchmark(folder.folder, questions=folder.questions, name=folder.title)
    bad = [rejected_row(f"{folder.folder}/{row.file}", row.position, row.content, row.reason) for row in read.rejected]
    found: dict[str, Found] = {}
    for number, id in enumerate(sorted(read.databases), start=1):
        name = f"{benchmark}/{id}" if benchmark else id
        try:
            database = _take(read.databases[id], files / name, lambda id=id: read.read_database(id))
        except SourceError as error:
            bad.append(rejected_row(str(read.databases[id]), 0, id, error.what))
            continue
        found[id] = Found(_renamed(database, name), folder.rule, benchmark)
        progress.update(number, len(read.databases), f"{folder.title}: {id}")
    if not found:
        raise SourceError(
            "None of the folder's databases can be read.",
            where=str(folder.folder),
            kept=f"the first: {bad[0]['reason']}" if bad else "",
            next_step="mend the files; the list of faults is longer with `ropewalk show`",
        )
    for row in read.rows:
        if row.database_id not in found:
            bad.append(rejected_row(str(folder.folder), row.position, row.question, "its database cannot be read"))
    return found, [row for row in read.rows if row.database_id in found], bad


def _take(path: Path, place: Path, read: Callable[[], Database]) -> Database:
    """The database as read, and its file copied to ``place`` with the suffix of its engine."""
    database = read()
    target = place.with_name(place.name + SUFFIXES[database.dialect])
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(database.path, target)
    return _moved(database, target)


def _moved(database: Database, path: Path) -> Database:
    return database_from_json(database_to_json(database) | {"path": str(path)})


def _renamed(database: Database, id: str) -> Database:
    return database_from_json(database_to_json(database) | {"id": id})


def _require_names_apart(paths: Sequence[Path]) -> None:
    stems = [path.stem for path in paths]
    for path in paths:
        if stems.count(path.stem) > 1:
            raise SourceError(
                f"Two databases are called {path.stem!r}.",
                where=str(path),
                next_step="rename one of the files; a database is called by its file's name",
            )
