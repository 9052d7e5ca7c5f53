"""Seconds until the lineage of a large store stands in tables, and in a DuckDB file.

    python -m benchmarks.lineage [--artifacts 10000] [--store STORE] [--repeats 3]

The store is made up: runs of nine stages, each with manifests and run records of the usual size. A store that is
there already is used as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lib.store.artifact_store import ArtifactStore
from lib.store.lineage import open_lineage, write_lineage
from lib.store.manifest import MANIFEST, Cost, FileEntry, Manifest, Provenance, Reference, RunRecord

CHAIN = {
    "source": ("graph", ()),
    "synthesize": ("questions", ("source",)),
    "base": ("policy", ("source",)),
    "demonstrate": ("episodes", ("source", "synthesize", "base")),
    "warm_up": ("warm_up", ("base", "demonstrate")),
    "reinforce": ("reinforcement", ("source", "synthesize", "warm_up")),
    "extrapolate": ("extrapolation", ("source", "synthesize", "warm_up", "reinforce")),
    "evaluate": ("scores", ("source", "synthesize", "base", "warm_up", "reinforce", "extrapolate")),
    "report": ("report", ("source", "synthesize", "demonstrate", "evaluate")),
}
NUM_MODULES = 60  # of a stage's code closure, about those of reinforce
NUM_SETTINGS = 40
START = datetime(2026, 1, 1, tzinfo=UTC)


def make_store(root: Path, num_artifacts: int) -> None:
    """Manifests and run records without the files that they name."""
    references: dict[str, Reference] = {}
    for number in range(num_artifacts):
        stage = list(CHAIN)[number % len(CHAIN)]
        kind, inputs = CHAIN[stage]
        provenance = _provenance(stage, number, {name: references[name] for name in inputs})
        entry = FileEntry(path=f"{kind}.parquet", size=1000, sha256=_digest(number), content=_digest(number))
        reference = references[stage] = Reference(kind=kind, digest=_digest("artifact", number))
        manifest = Manifest(
            kind=kind,
            contracts=f"{kind}=1",
            digest=reference.digest,
            rows={kind: number},
            size=1000,
            files=(entry,) * 8,
            provenance=provenance,
        )
        record = RunRecord(artifact=reference, provenance=provenance)
        for path, item in (
            (root / "artifacts" / kind / reference.digest / MANIFEST, manifest),
            (root / "runs" / stage / f"{provenance.fingerprint}.json", record),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(item.model_dump_json(indent=1))


def _provenance(stage: str, number: int, inputs: dict[str, Reference]) -> Provenance:
    return Provenance(
        stage=stage,
        fingerprint=_digest("run", number),
        components={
            "settings": {f"{stage}.setting_{i}": i for i in range(NUM_SETTINGS)},
            "code": {f"lib.{stage}.module_{i}": _digest(i) for i in range(NUM_MODULES)},
            "inputs": {name: reference.digest for name, reference in inputs.items()},
        },
        inputs=inputs,
        cost=Cost(seconds=1.5, peak_memory_mb=300.0, tokens=number),
        started_at=START + timedelta(seconds=number),
        finished_at=START + timedelta(seconds=number + 1),
    )


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def time_of(work) -> tuple[float, float]:
    """Seconds on the clock and of the processors."""
    started, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=int, default=10_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = chosen.store or Path(name) / "store"
        if not (root / "artifacts").exists():
            make_store(root, chosen.artifacts)
        store = ArtifactStore(root)
        with open_lineage(store) as connection:
            counts = [
                (table, connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in ("artifacts", "inputs", "stage_runs", "costs")
            ]
        print("rows                 ", ", ".join(f"{table} {count:,}" for table, count in counts))
        for label, work in (
            ("tables in memory", lambda: open_lineage(store).close()),
            ("tables in a file", lambda: write_lineage(store, Path(name) / "lineage.duckdb")),
        ):
            clocks, processors = zip(*(time_of(work) for _ in range(chosen.repeats)), strict=True)
            print(
                f"{label:20} {statistics.median(clocks):7.2f} s, {statistics.median(processors):7.2f} s of processors"
            )


if __name__ == "__main__":
    main()
