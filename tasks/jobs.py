"""Stages that run as jobs, in processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from tasks.stage import Work


def job(module: str, *, launcher: Literal["deepspeed", "process"]) -> Callable[[Work], None]:
    """The work of a stage whose module is a script for `lib.workers`."""

    def run(work: Work) -> None:
        from lib.workers.job import JobSpec
        from lib.workers.supervise import run_job

        spec = JobSpec(
            module=module,
            launcher=launcher,
            settings=work.settings,
            inputs=work.inputs,
            out=work.out,
            scratch=work.scratch,
            seed=work.seed,
        )
        result = run_job(spec, workers=work.workers, progress=work.progress)
        work.meter.add_job(result.peak_memory_mb)

    return run
