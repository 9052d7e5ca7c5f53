"""Lineage as tables: what the manifests and run records say, for DuckDB.

In: a store. Out: a connection, or a database file, with the tables `artifacts`, `inputs`, `stage_runs` and
`costs`. The JSON files are the truth and are only read; a run whose record is lost is told by the manifest.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
from pydantic_core import from_json

from lib.errors import ArtifactError
from lib.store.artifact_store import ArtifactStore
from lib.store.full_disk import lost_disk_explained
from lib.store.manifest import MANIFEST
from lib.store.new_database import new_database

logger = logging.getLogger("ropewalk.store")

TEXT, COUNT, NUMBER = pa.string(), pa.int64(), pa.float64()
# Each table: what a row is, and its columns; times are cast from text by DuckDB.
TABLES: dict[str, tuple[str, dict[str, pa.DataType]]] = {
    "artifacts": (
        "One artifact a row; stage, fingerprint and origin are of the run that gave it first.",
        {"kind": TEXT, "digest": TEXT, "contracts": TEXT, "rows": pa.map_(TEXT, COUNT), "size": COUNT, "stage": TEXT,
         "fingerprint": TEXT, "finished_at": TEXT, "origin": TEXT},
    ),
    "stage_runs": (
        "One run of a stage a row, with the artifact that it gave and the files of the user that it read.",
        {"stage": TEXT, "fingerprint": TEXT, "kind": TEXT, "digest": TEXT, "started_at": TEXT, "finished_at": TEXT,
         "origin": TEXT},
    ),
    "inputs": (
        "One input of one run of a stage a row.",
        {"stage": TEXT, "fingerprint": TEXT, "kind": TEXT, "digest": TEXT, "input_stage": TEXT, "input_kind": TEXT,
         "input_digest": TEXT},
    ),
    "costs": (
        "What one run of a stage took, one a row.",
        {"stage": TEXT, "fingerprint": TEXT, "seconds": NUMBER, "peak_memory_mb": NUMBER, "tokens": COUNT},
    ),
}  # fmt: skip
TIMES = ("started_at", "finished_at")
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError)
DATABASE_MARK = b"DUCK"  # at byte 8 of every DuckDB file


def open_lineage(store: ArtifactStore) -> duckdb.DuckDBPyConnection:
    """A connection to the lineage tables of everything in the store; empty tables for an empty store.

    Files that cannot be read are logged and left out.
    """
    connection = duckdb.connect()
    _fill(connection, store)
    return connection


def write_lineage(store: ArtifactStore, path: Path) -> None:
    """The same tables as a DuckDB file, which replaces an older one as a whole.

    Raises ArtifactError where something else is there, or where nothing can be written.
    """
    if path.is_dir() or (path.exists() and not _is_database(path)):
        raise ArtifactError(
            "What is there is no DuckDB file, and is not replaced.",
            where=str(path.absolute()),
            next_step="give another name",
        )
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}"
    try:
        with lost_disk_explained(path, kept="the store"), new_database(temporary) as connection:
            _fill(connection, store)
        os.replace(temporary, path)
    except (OSError, duckdb.IOException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ArtifactError(f"The lineage cannot be written: {reason}.", where=str(path.absolute())) from error
    finally:
        temporary.unlink(missing_ok=True)


def _fill(connection: duckdb.DuckDBPyConnection, store: ArtifactStore) -> None:
    for name, rows in _read(store).items():
        comment, columns = TABLES[name]
        values = zip(*rows, strict=True) if rows else [()] * len(columns)
        arrays = [pa.array(column, type_) for column, type_ in zip(values, columns.values(), strict=True)]
        connection.register("given", pa.table(arrays, list(columns)))
        times = ", ".join(f"try_cast({time} AS TIMESTAMPTZ) AS {time}" for time in TIMES if time in columns)
        replaced = f"REPLACE ({times})" if times else ""
        connection.execute(f"CREATE TABLE {name} AS SELECT * {replaced} FROM given")
        connection.unregister("given")
        connection.execute(f"COMMENT ON TABLE {name} IS '{comment}'")


def _read(store: ArtifactStore) -> dict[str, list[tuple]]:
    """Rows by table, in the order of time."""
    runs: dict[tuple[str, str], _Run] = {}
    artifacts: list[tuple] = []
    broken: list[str] = []
    for path in _files(store.root / "runs"):
        if not path.endswith(".json"):  # beside the records: which was given last
            continue
        try:
            record = _read_json(path)
            runs.setdefault(_key(record["provenance"]), _Run(record["provenance"], record["artifact"]))
        except UNREADABLE:
            broken.append(path)
    for path in _files(store.root / "artifacts", MANIFEST):
        try:
            manifest = _read_json(path)
            artifacts.append(_artifact(manifest, manifest["provenance"]))
            if (key := _key(manifest["provenance"])) not in runs:
                runs[key] = _Run(manifest["provenance"], manifest)
        except FileNotFoundError:  # removed meanwhile, or not yet whole
            continue
        except UNREADABLE:
            broken.append(path)
    if broken:
        logger.warning("Left out, since they cannot be read: %s", ", ".join(broken))
    ordered = sorted(runs.values(), key=lambda run: (run.finished_at, run.stage_run[0]))
    return {
        "artifacts": sorted(artifacts, key=lambda row: (row[7], row[0], row[1])),
        "stage_runs": [run.stage_run for run in ordered],
        "inputs": [item for run in ordered for item in run.inputs],
        "costs": [run.cost for run in ordered],
    }


class _Run:
    """Rows of `stage_runs`, `inputs` and `costs`."""

    def __init__(self, provenance: dict, artifact: dict):
        stage, fingerprint = key = _key(provenance)
        gave = (stage, fingerprint, artifact["kind"], artifact["digest"])
        cost, self.finished_at = provenance["cost"], provenance["finished_at"]
        self.stage_run = (*gave, provenance["started_at"], self.finished_at, _origin(provenance))
        self.inputs = [(*gave, name, item["kind"], item["digest"]) for name, item in provenance["inputs"].items()]
        self.cost = (*key, float(cost["seconds"]), float(cost["peak_memory_mb"]), int(cost["tokens"]))


def _artifact(manifest: dict, provenance: dict) -> tuple:
    own = (manifest["kind"], manifest["digest"], manifest["contracts"], list(manifest["rows"].items()))
    stage, fingerprint = _key(provenance)
    return (*own, int(manifest["size"]), stage, fingerprint, provenance["finished_at"], _origin(provenance))


def _key(provenance: dict) -> tuple[str, str]:
    return provenance["stage"], provenance["fingerprint"]


def _origin(provenance: dict) -> str:
    origins = provenance.get("origins")
    return "; ".join(origins.values()) if origins else ""


def _read_json(path: str) -> dict:
    """Without the layers of pathlib and io, which take most of the time over many thousands of small files."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return from_json(os.read(descriptor, os.fstat(descriptor).st_size), cache_strings="keys")
    finally:
        os.close(descriptor)


def _files(folder: Path, name: str | None = None) -> Iterator[str]:
    """Paths two folders down, or that of a file in each of them."""
    for kind in _entries(folder):
        for entry in _entries(kind):
            yield f"{entry}/{name}" if name else entry


def _entries(folder: str | Path) -> list[str]:
    try:
        return sorted(entry.path for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(12)[8:] == DATABASE_MARK
