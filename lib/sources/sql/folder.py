"""A folder of Parquet or CSV files -> one DuckDB file, a table a file.

The executor opens files read-only, and a view over files would need access to them, so the rows are copied.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from lib.errors import SourceError
from lib.sources.sql.identifiers import quote_name, quote_text

READERS = {
    ".parquet": "read_parquet({path})",
    ".csv": "read_csv({path}, encoding = {encoding})",
    ".tsv": "read_csv({path}, delim = '\t', encoding = {encoding})",
}
# Latin-1 takes any byte, so it comes last.
ENCODINGS = ("utf-8", "latin-1")


def load_folder(folder: Path, out: Path) -> list[str]:
    """Make the DuckDB file ``out``, whole or not at all, and return remarks.

    Raises SourceError for a folder without tables, two files of one table, and a file that cannot be read.
    """
    files = _find_files(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    growing = out.with_name(out.name + ".growing")
    growing.unlink(missing_ok=True)
    remarks: list[str] = []
    try:
        with duckdb.connect(str(growing), config={"threads": "1"}) as connection:
            for name, path in files.items():
                remarks += _load(connection, name, path)
        os.replace(growing, out)
    finally:
        growing.unlink(missing_ok=True)
    return remarks


def _find_files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in READERS or not path.is_file():
            continue
        if clash := next((other for name, other in files.items() if name.casefold() == path.stem.casefold()), None):
            raise SourceError(
                f"Two files would be the table {path.stem!r}: {clash.name} and {path.name}.",
                where=str(folder),
                next_step="Rename one of them or take it out of the folder.",
            )
        files[path.stem] = path
    if not files:
        raise SourceError(
            "The folder has no tables.",
            where=str(folder),
            next_step=f"Give a folder of files that end in {', '.join(READERS)}.",
        )
    return files


def _load(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> list[str]:
    """Remarks on the reading of one file."""
    remarks = []
    for encoding in ENCODINGS:
        rows = READERS[path.suffix.lower()].format(path=_literal_path(path), encoding=quote_text(encoding))
        try:
            connection.execute(f"CREATE TABLE {quote_name(name)} AS SELECT * FROM {rows}")
            return remarks
        except duckdb.Error as error:
            if path.suffix.lower() == ".parquet" or encoding == ENCODINGS[-1]:
                raise SourceError(
                    f"The file cannot be read: {str(error).split(chr(10))[0]}",
                    where=str(path),
                    kept="Nothing was made of the folder.",
                    next_step="Check that the file is whole and of the format that its name says.",
                ) from error
            remarks = [f"{path.name} is no UTF-8 and was read as Latin-1"]
    raise AssertionError("the last encoding returns or raises")


def _literal_path(path: Path) -> str:
    """DuckDB takes a path for a pattern."""
    escaped = "".join(f"[{c}]" if c in "*?[" else c for c in str(path.resolve()))
    return quote_text(escaped)
