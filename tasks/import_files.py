"""Hand-made replacements of artifacts, published so that later stages take them in the place of a stage's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.contract import ArtifactKind
from data_contracts.episodes import EPISODE_SET
from data_contracts.questions import QUESTION_SET
from lib.store.manifest import IMPORT, Reference
from tasks.run import Run
from tasks.source import SOURCE
from tasks.stage import Stage, Work, run_stage


@dataclass(frozen=True)
class Imported:
    """A published import."""

    reference: Reference
    notes: tuple[str, ...]  # what later stages will miss


def import_questions(run: Run, files: Sequence[Path], graph: Reference | None) -> Imported:
    """Publish questions; with a graph, their evidence is compared with its pages.

    Raises ArtifactError that lists every fault, and SourceError for a file that cannot be read.
    """
    from lib.synthesis.curated.questions import read_questions

    curated = read_questions(files, graph=run.store.path(graph) if graph else None)
    tables = {"questions": curated.questions, "funnel": curated.funnel}
    reference = _publish(QUESTION_SET, tables, run, files, graph, module="lib.synthesis.curated.questions")
    return Imported(reference, curated.notes)


def import_episodes(run: Run, files: Sequence[Path], graph: Reference | None) -> Imported:
    """Publish demonstrations; they stand for themselves, without a graph. Raises as `import_questions` does."""
    from lib.learning.chosen_episodes import read_episodes

    table, notes = read_episodes(files)
    reference = _publish(EPISODE_SET, {"episodes": table}, run, files, None, module="lib.learning.chosen_episodes")
    return Imported(reference, notes)


def _publish(
    kind: ArtifactKind,
    tables: dict[str, pa.Table],
    run: Run,
    files: Sequence[Path],
    graph: Reference | None,
    *,
    module: str,
) -> Reference:
    """As a stage does, once the files are known to have no fault, so that one with faults leaves nothing behind."""

    def write(work: Work) -> None:
        for name, table in tables.items():
            pq.write_table(table, work.out / f"{name}.parquet")

    stage = Stage(
        name=IMPORT,
        kind=kind,
        work=write,
        module=module,
        inputs=(SOURCE,) if graph else (),
        libraries=("duckdb", "networkx", "pyarrow"),
        seeded=False,
        files=lambda settings: {f"file {number}": path for number, path in enumerate(files, start=1)},
    )
    # Done again each time, so that the last import is the one that was asked for last.
    again = Run(run.settings, run.store.root, [IMPORT])
    return run_stage(stage, again, {SOURCE.name: graph} if graph else {})[0]
