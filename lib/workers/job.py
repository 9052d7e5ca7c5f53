"""What a job is: its spec as the supervisor writes it, and what each of its processes is given.

Flows in: the module to run, settings, inputs. Flows out: one JSON file that every rank reads.
Knows nothing of torch, DeepSpeed or the store.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lib.progress import Progress
from lib.settings.settings import Settings

Launcher = Literal["deepspeed", "process"]


@dataclass(frozen=True)
class JobSpec:
    """One heavy stage to run in processes of its own.

    Args:
        module: a module that ends in `run_rank(main)`, for instance lib.learning.warm_up.
        launcher: "deepspeed" starts `workers.ranks` processes a machine; "process" starts one plain process.
        settings: all settings of the run.
        inputs: artifact directories by stage name.
        out: empty directory in which rank 0 lays out the artifact.
        scratch: directory that survives a crash; checkpoints to resume from, logs and rank records live here.
        seed: the stage's seed.
    """

    module: str
    launcher: Launcher
    settings: Settings
    inputs: dict[str, Path]
    out: Path
    scratch: Path
    seed: int

    def to_json(self) -> str:
        """Text from which `from_json` makes an equal spec; paths become absolute."""
        content = {
            "module": self.module,
            "launcher": self.launcher,
            "settings": self.settings.model_dump(mode="json"),
            "inputs": {name: str(path.absolute()) for name, path in self.inputs.items()},
            "out": str(self.out.absolute()),
            "scratch": str(self.scratch.absolute()),
            "seed": self.seed,
        }
        return json.dumps(content, indent=2)

    @classmethod
    def from_json(cls, text: str) -> JobSpec:
        content = json.loads(text)
        return cls(
            module=content["module"],
            launcher=content["launcher"],
            settings=Settings.model_validate(content["settings"]),
            inputs={name: Path(path) for name, path in content["inputs"].items()},
            out=Path(content["out"]),
            scratch=Path(content["scratch"]),
            seed=content["seed"],
        )

    @property
    def files(self) -> JobFiles:
        return JobFiles(self.scratch.absolute())


@dataclass(frozen=True)
class JobFiles:
    """The supervisor's own files in a job's scratch; everything else there belongs to the job."""

    scratch: Path

    @property
    def folder(self) -> Path:
        return self.scratch / "job"

    @property
    def spec(self) -> Path:
        return self.folder / "spec.json"

    @property
    def log(self) -> Path:
        """Output of the launcher and of all ranks, over all attempts."""
        return self.folder / "job.log"

    @property
    def progress(self) -> Path:
        return self.folder / "progress.jsonl"

    @property
    def ranks(self) -> Path:
        """One record a rank of the current attempt."""
        return self.folder / "ranks"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def environment(self) -> Path:
        """Variables that the DeepSpeed runner carries to the machines of a hostfile."""
        return self.folder / "environment"


@dataclass(frozen=True)
class Job:
    """What one process of a job works with."""

    settings: Settings
    inputs: dict[str, Path]
    out: Path
    scratch: Path
    seed: int
    rank: int
    world_size: int
    progress: Progress


@dataclass(frozen=True)
class JobResult:
    """What a finished job cost.

    Args:
        seconds: wall time from start to the end of the last process.
        peak_memory_mb: greatest sampled sum of the resident memory of all its processes on this machine; pages
            that processes share count once for each, so this is an upper bound.
    """

    seconds: float
    peak_memory_mb: float
