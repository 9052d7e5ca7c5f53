"""The boundary check: what a stage wrote is what its kind of artifact consists of."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.contract import ArtifactKind, ContractError
from lib.errors import ArtifactError


def check_artifact(kind: ArtifactKind, out: Path) -> None:
    """Check every table and path; optional columns that a table leaves out are filled in, and fields are marked
    as the contract marks them.

    Raises ArtifactError that names the table, the row and the rule.
    """
    for path in kind.paths:
        if not (out / path).exists():
            raise _misfit(kind, out / path, f"{path} is missing")
    for contract in kind.tables:
        path = out / f"{contract.name}.parquet"
        if not path.is_file():
            raise _misfit(kind, path, f"the table {contract.name} is missing")
        try:
            table = pq.read_table(path)
            checked, _ = contract.check(table)
        except (ContractError, pa.ArrowInvalid) as error:
            raise _misfit(kind, path, str(error)) from error
        if not _is_marked_alike(checked.schema, table.schema):
            pq.write_table(checked, path)


def _is_marked_alike(checked: pa.Schema, written: pa.Schema) -> bool:
    """Whether fields and their marks are the same; what Parquet calls the elements of a list is its own affair."""
    return checked.equals(written) and [field.metadata for field in checked] == [field.metadata for field in written]


def _misfit(kind: ArtifactKind, path: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        f"What was written is no {kind.name}: {reason}.",
        where=str(path),
        kept="the files as they were written, for a look; nothing was published",
        next_step="mend the stage that wrote it, then run again",
    )
