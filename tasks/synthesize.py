"""Questions whose answers the graph holds, filtered and split by entity."""

from __future__ import annotations

from data_contracts.questions import QUESTION_SET
from tasks.prefect_task import stage_task
from tasks.source import SOURCE
from tasks.stage import Stage, Work


def _synthesize(work: Work) -> None:
    from lib.synthesis.knowledge.synthesize import synthesize

    synthesize(
        work.settings.synthesis,
        graph=work.inputs[SOURCE.name],
        out=work.out,
        seed=work.seed,
        progress=work.progress,
    )


SYNTHESIZE = Stage(
    name="synthesize",
    kind=QUESTION_SET,
    work=_synthesize,
    module="lib.synthesis.knowledge.synthesize",
    inputs=(SOURCE,),
    settings=("synthesis",),
    libraries=("datasketch", "duckdb", "networkx", "numpy", "pyarrow"),
    retries=1,
)

synthesize = stage_task(SYNTHESIZE)
