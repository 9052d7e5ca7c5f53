"""Parquet files with image bytes -> raw images, a row at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import SourceError
from lib.settings.images import ImageTables
from lib.sources.images.raw import Attribute, BadImage, RawImage

BATCH = 64  # rows in memory at once


def read_tables(settings: ImageTables) -> Iterator[RawImage | BadImage]:
    """Every row. Raises SourceError for a file that is no Parquet or lacks the column of images."""
    seen: set[str] = set()
    for path in settings.paths:
        try:
            for number, row in enumerate(_rows(path, settings.image_column), start=1):
                image = _read_row(row, number, path, settings)
                if isinstance(image, RawImage):
                    if image.id in seen:
                        image = BadImage(str(path), number, image.id, f"the id {image.id!r} is taken")
                    seen.add(getattr(image, "id", ""))
                yield image
        except (OSError, pa.ArrowException) as error:
            raise SourceError(
                f"The table of images cannot be read: {error}",
                where=str(path),
                next_step="check the path, and that the file is whole and Parquet",
            ) from error


def _rows(path: Path, image_column: str) -> Iterator[dict]:
    file = pq.ParquetFile(path)
    if image_column not in file.schema_arrow.names:
        raise SourceError(
            f"The table has no column {image_column!r}; it has {', '.join(file.schema_arrow.names)}.",
            where=str(path),
            next_step="name the column of bytes: `--set images.source.image_column=...`",
        )
    for batch in file.iter_batches(BATCH):
        yield from batch.to_pylist()


def _read_row(row: dict, number: int, path: Path, settings: ImageTables) -> RawImage | BadImage:
    cell = row.pop(settings.image_column)
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        return BadImage(str(path), number, str(row)[:500], f"no bytes in {settings.image_column}")
    name, label = row.pop("id", None), row.pop("label", None)
    id = f"{settings.name}/{path.stem}-{number}" if name is None else f"{settings.name}/{name}"
    attributes = tuple(attribute for key, value in row.items() for attribute in Attribute.of(key, value))
    return RawImage(id, settings.name, "" if label is None else str(label), attributes, data, str(path), number)
