"""A run's warmed-up policy and its questions, which several measurements start from."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.environments.environment import Question
from lib.rollout.attempt import read_questions
from lib.rollout.worlds import Sources

# What the measurements are about, whatever else the profile has.
DOMAIN = "synthesis.domains=['knowledge']"
KINDS = {"source": "graph", "synthesize": "questions", "warm_up": "warm_up"}


@dataclass(frozen=True)
class WarmedUp:
    """What a store has of a run on the domain `knowledge`: of each kind the artifact made last."""

    inputs: dict[str, Path]  # by stage

    @classmethod
    def of(cls, store: Path) -> WarmedUp:
        folders = {stage: list((store / "artifacts" / kind).glob("*")) for stage, kind in KINDS.items()}
        if missing := [KINDS[stage] for stage, found in folders.items() if not found]:
            raise SystemExit(f"{store} has no {', '.join(missing)}: make a run with `ropewalk run --store {store}`")
        return cls({stage: max(found, key=lambda path: path.stat().st_mtime) for stage, found in folders.items()})

    @property
    def checkpoint(self) -> Path:
        return self.inputs["warm_up"] / "checkpoint"

    @property
    def sources(self) -> Sources:
        return Sources.of(self.inputs)

    def questions(self, split: str, count: int) -> list[Question]:
        """The first of a split."""
        table: pa.Table = pq.read_table(self.inputs["synthesize"] / "questions.parquet")
        chosen = pc.and_(pc.equal(table["split"], split), pc.equal(table["domain"], "knowledge"))
        return read_questions(table.filter(chosen).slice(0, count))


def become_the_only_rank() -> None:
    """Set what DeepSpeed reads, for a trainer in this process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
