"""The digest of a directory: what its files hold, independent of when and where they were written.

In: a directory. Out: one entry a file and the digest of all. DuckDB files differ in their bytes
from one write to the next, so what counts is their tables. Of a Parquet file whose schema marks columns as
measured, such as seconds, the other columns count: the same work on a slower day has the same digest.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lib.store.manifest import MANIFEST, FileEntry

DATABASE_SUFFIX, TABLE_SUFFIX = ".duckdb", ".parquet"
MEASURED = b"measured"  # key of the metadata of a field, set to "yes"
ROWS_A_BATCH = 8192


def describe_files(directory: Path) -> tuple[FileEntry, ...]:
    """One entry a file, sorted by path; the manifest itself is left out."""
    return tuple(
        _describe_file(path, path.relative_to(directory).as_posix())
        for path in list_files(directory)
        if path.name != MANIFEST or path.parent != directory
    )


def list_files(directory: Path) -> list[Path]:
    """All files below a directory, sorted by their relative path."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: path.relative_to(directory).as_posix())


def digest_files(kind: str, entries: tuple[FileEntry, ...]) -> str:
    """SHA-256 over the kind and over every file's path and content."""
    listed = [kind, [[entry.path, entry.content] for entry in entries]]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_database(path: Path) -> str:
    """SHA-256 over the tables of a DuckDB file: names, column types and rows in their stored order."""
    digest = hashlib.sha256()
    with duckdb.connect(str(path), read_only=True, config={"threads": 1}) as connection:
        tables = connection.execute("SELECT schema_name, table_name, sql FROM duckdb_tables() ORDER BY ALL").fetchall()
        for schema, table, sql in tables:
            digest.update(json.dumps([schema, table, sql]).encode())
            rows = connection.sql(f"SELECT * FROM {_quoted(schema)}.{_quoted(table)}")
            with pa.ipc.new_stream(_HashSink(digest), (reader := rows.to_arrow_reader(ROWS_A_BATCH)).schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
    return digest.hexdigest()


def hash_rows(path: Path, schema: pa.Schema) -> str:
    """SHA-256 over the rows of a Parquet file, cast to a schema that has some of its columns."""
    digest = hashlib.sha256()
    with pq.ParquetFile(path) as file, pa.ipc.new_stream(_HashSink(digest), schema) as writer:
        for batch in file.iter_batches(ROWS_A_BATCH, columns=schema.names):
            writer.write_batch(batch.cast(schema))
    return digest.hexdigest()


def without_measured(schema: pa.Schema) -> pa.Schema:
    """The columns, and the fields within them, that are not marked as measured."""
    return pa.schema(_lasting(list(schema)))


def _lasting(fields: list[pa.Field]) -> list[pa.Field]:
    return [field.with_type(_lasting_type(field.type)) for field in fields if not _is_measured(field)]


def _lasting_type(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(type_):
        return pa.struct(_lasting(list(type_)))
    if pa.types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_lasting_type(type_.value_type)))
    return type_


def _is_measured(field: pa.Field) -> bool:
    return (field.metadata or {}).get(MEASURED) == b"yes"


class _HashSink(io.RawIOBase):
    """A file that keeps nothing but the hash of what is written to it."""

    def __init__(self, digest: hashlib._Hash):
        self._digest = digest

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)


def _describe_file(path: Path, relative: str) -> FileEntry:
    sha256 = hash_file(path)
    content = sha256
    if path.suffix == DATABASE_SUFFIX:
        content = hash_database(path)
    elif path.suffix == TABLE_SUFFIX and (lasting := without_measured(schema := pq.read_schema(path))) != schema:
        content = hash_rows(path, lasting)
    return FileEntry(path=relative, size=path.stat().st_size, sha256=sha256, content=content)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
