"""The last stage: one page and one database of the whole run.

In: every artifact of the run, its lineage and costs. Out: ``run.duckdb`` and ``report.html``. The page
is made from the database, so what it says can be checked there.
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from data_contracts.training import GATE
from lib.progress import Progress
from lib.report.gates import measure_gates
from lib.report.page import render_page
from lib.report.run_database import write_run_database
from lib.settings.settings import Settings


def write_report(
    settings: Settings,
    *,
    inputs: dict[str, Path],
    lineage: list[dict],
    costs: list[dict],
    out: Path,
    progress: Progress,
) -> None:
    """Write both files into ``out``.

    Args:
        inputs: artifact directories by stage name.
        lineage: ``{"stage", "kind", "digest", "rows", "inputs": [{"stage", "digest"}]}`` for each stage.
        costs: ``{"stage", "seconds", "peak_memory_mb", "tokens", "cached"}`` for each stage.
    """
    progress.update(0, 3, "gates")
    gates = measure_gates(settings, inputs=inputs)
    progress.update(1, 3, "database")
    database = out / "run.duckdb"
    write_run_database(database, inputs=inputs, lineage=lineage, costs=costs, gates=gates)
    progress.update(2, 3, "page")
    with duckdb.connect(str(database), read_only=True) as connection:
        page = render_page(
            connection, settings=settings, lineage=lineage, gate=_read_gate(inputs), images=inputs.get("images")
        )
    (out / "report.html").write_text(page, encoding="utf-8")
    progress.update(3, 3)


def _read_gate(inputs: dict[str, Path]) -> dict | None:
    path = inputs["extrapolate"] / GATE if "extrapolate" in inputs else None
    return json.loads(path.read_text()) if path is not None and path.exists() else None
