"""Work that need not be done twice: a table in a file that is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def kept_table(path: Path, make: Callable[[], pa.Table]) -> pa.Table:
    """The table in ``path``, made and written first where it is not there yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        pq.write_table(make(), partial)
        os.replace(partial, path)
    return pq.read_table(path)
