"""DuckDB files for people, who open them with the client that they have."""

from __future__ import annotations

from pathlib import Path

import duckdb

OPENED_SINCE = "v1.2.0"  # DuckDB's own clients come later than its library


def new_database(path: Path) -> duckdb.DuckDBPyConnection:
    """Make the file, in a format that older versions of DuckDB read, too."""
    return duckdb.connect(str(path), config={"storage_compatibility_version": OPENED_SINCE})
