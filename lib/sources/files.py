"""Rows of a table in a file, whatever its format, with the line on which each stands.

In: a path that ends in .tsv, .csv, .jsonl, .ndjson or .parquet, text files also gzipped. Out: records,
and the lines that are none with the reason. What the columns mean is not known here.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import SourceError
from lib.sources.columns import SYNONYMS, ColumnNames, plain_names
from lib.strict_json import load_json

SUFFIXES = (".tsv", ".csv", ".jsonl", ".ndjson", ".parquet")
# A definition or a page may be long; the csv module refuses cells above 128 KiB by default.
LONGEST_CELL = 16 * 1024 * 1024


@dataclass(frozen=True)
class Row:
    """One row. ``reason`` is not empty where the line could not be read; then ``values`` is empty."""

    line: int  # from 1; for Parquet the number of the row
    values: dict[str, object]
    content: str
    reason: str = ""


def read_rows(
    path: Path,
    *,
    columns: tuple[str, ...],
    needed: tuple[str, ...],
    further: tuple[str, ...] = (),
    synonyms: Mapping[str, Sequence[str]] = SYNONYMS,
) -> Iterator[Row]:
    """The rows of a file.

    Args:
        columns: names by position for a TSV or CSV without a header and for JSON lists; a first line that has
            the first of them, or a known synonym, is a header.
        needed: those of the columns without which a line is no row.
        further: other columns of which synonyms are known.
        synonyms: other names of columns, in lower case, by the one that counts.

    Raises SourceError for a missing file, an unknown suffix, bytes that are damaged or cut, and two columns
    that stand for the same.
    """
    suffix = _suffix(path)
    names = ColumnNames((*columns, *further), file=str(path), synonyms=synonyms)
    try:
        if suffix == ".parquet":
            yield from _read_parquet(path, names)
        else:
            with _open_text(path) as file:
                yield from (
                    _read_json_lines(file, names, columns)
                    if suffix in (".jsonl", ".ndjson")
                    else _read_cells(file, "\t" if suffix == ".tsv" else ",", names, columns, needed)
                )
    except (OSError, EOFError, zlib.error, pa.ArrowException, UnicodeDecodeError, OverflowError) as error:
        raise SourceError(
            f"The file cannot be read: {error}",
            where=str(path),
            next_step="Check the path, and that the file is whole and of the format that its name says.",
        ) from error


def _suffix(path: Path) -> str:
    suffixes = [part.lower() for part in path.suffixes]
    suffix = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    if suffix not in SUFFIXES:
        raise SourceError(
            f"The format {suffix or 'of a name without a suffix'!r} is not known.",
            where=str(path),
            next_step=f"Give a file that ends in {', '.join(SUFFIXES)}; all but .parquet may end in .gz too.",
        )
    return suffix


def _open_text(path: Path) -> io.TextIOBase:
    # Bytes that are no UTF-8 become surrogates, by which their row is recognised and set aside.
    binary = gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")
    return io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")  # type: ignore[arg-type]


def _read_cells(
    file: io.TextIOBase, separator: str, columns: ColumnNames, by_position: tuple[str, ...], needed: tuple[str, ...]
) -> Iterator[Row]:
    fewest = 1 + max(by_position.index(name) for name in needed)
    names: list[str] = []
    for line, cells, reason in _split_cells(file, separator):
        content = printable(separator.join(cells))
        if reason:
            yield Row(line, {}, content, reason)
        elif not any(cell.strip() for cell in cells):
            continue
        elif names:
            yield _checked(line, cells, names, needed, content)
        elif (columns.may_be(by_position[0]) | {"id"}) & set(plain_names(cells)):
            names = columns.rename(cells, line=line)
        elif len(cells) < fewest:
            yield Row(line, {}, content, f"{len(cells)} columns instead of {fewest}")
        else:  # without a header, the first row says how many columns there are
            names = [*by_position, *[""] * len(cells)][: len(cells)]
            yield _checked(line, cells, names, needed, content)


def _split_cells(file: io.TextIOBase, separator: str) -> Iterator[tuple[int, list[str], str]]:
    """(first line, cells, what is wrong) of each record.

    A record that is no CSV loses its first line only: a quote that is not closed would otherwise take all
    lines with it up to the next quote.
    """
    csv.field_size_limit(LONGEST_CELL)
    # Tabs separate without quoting, since labels with quotes are common in TSV.
    style = {"quoting": csv.QUOTE_NONE} if separator == "\t" else {"strict": True}
    lines, ahead = iter(file), deque[str]()
    number = 1
    while True:
        taken: list[str] = []
        reader = csv.reader(_noted(ahead, lines, taken), delimiter=separator, **style)  # type: ignore[arg-type]
        try:
            for cells in reader:
                yield number, cells, ""
                number += len(taken)
                taken.clear()
            return
        except csv.Error as error:
            yield number, [taken[0].rstrip("\r\n")], f"not CSV: {error}"
            number += 1
            ahead.extendleft(reversed(taken[1:]))


def _noted(ahead: deque[str], lines: Iterator[str], taken: list[str]) -> Iterator[str]:
    """The lines that were put back, then those of the file; each is noted in ``taken``."""
    while ahead:
        taken.append(ahead.popleft())
        yield taken[-1]
    for line in lines:
        taken.append(line)
        yield line


def _checked(line: int, cells: list[str], names: list[str], needed: tuple[str, ...], content: str) -> Row:
    if any("\udc80" <= character <= "\udcff" for cell in cells for character in cell if character > "\ud7ff"):
        return Row(line, {}, content, "not UTF-8")
    is_short = any(name in names[len(cells) :] for name in needed)
    # What stands beyond the last column belongs to none, so a separator too many has shifted the others.
    if is_short or any(cell.strip() for cell in cells[len(names) :]):
        return Row(line, {}, content, f"{len(cells)} columns instead of {len(names)}")
    return Row(line, _name_cells(names, cells), content)


def _name_cells(names: Sequence[str], cells: Sequence[object]) -> dict[str, object]:
    """Columns without a name, such as the index of a data frame, are left out."""
    return {name: cell for name, cell in zip(names, cells, strict=False) if name}


def _read_json_lines(file: io.TextIOBase, columns: ColumnNames, by_position: tuple[str, ...]) -> Iterator[Row]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        content = printable(text.strip())
        if content != text.strip():
            yield Row(line, {}, content, "not UTF-8")
            continue
        try:
            values = load_json(text)
        except ValueError as error:
            yield Row(line, {}, content, str(error))
            continue
        if isinstance(values, dict):
            names = columns.rename(list(values), line=line)
            yield Row(line, _name_cells(names, list(values.values())), content)
        elif not isinstance(values, list):
            yield Row(line, {}, content, "neither a JSON object nor a list")
        elif len(values) > len(by_position):
            yield Row(line, {}, content, f"{len(values)} values instead of {len(by_position)}")
        else:
            yield Row(line, _name_cells(by_position, values), content)


def _read_parquet(path: Path, columns: ColumnNames) -> Iterator[Row]:
    file = pq.ParquetFile(path)
    names = columns.rename(file.schema_arrow.names, line=1)
    line = 0
    for batch in file.iter_batches():
        for values in batch.to_pylist():
            line += 1
            content = str(values)[:500]
            try:
                cells = [cell.decode() if isinstance(cell, bytes) else cell for cell in values.values()]
            except UnicodeDecodeError:
                yield Row(line, {}, content, "not UTF-8")
            else:
                yield Row(line, _name_cells(names, cells), content)


def printable(text: str) -> str:
    """Text that Arrow can hold: bytes that are no UTF-8 are written as ``\\udc80``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
