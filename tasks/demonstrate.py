"""Episodes that show the way: those of an oracle, or the right ones of a teacher behind an endpoint."""

from __future__ import annotations

from data_contracts.episodes import EPISODE_SET
from tasks.align import ALIGN
from tasks.base import BASE
from tasks.databases import DATABASES
from tasks.images import IMAGES
from tasks.prefect_task import stage_task
from tasks.source import SOURCE
from tasks.stage import Stage, Work
from tasks.synthesize import SYNTHESIZE


def _demonstrate(work: Work) -> None:
    from lib.learning.demonstrate import demonstrate
    from lib.policy.start import start_of
    from lib.rollout.worlds import Sources

    tokens = demonstrate(
        work.settings,
        sources=Sources.of(work.inputs),
        questions=work.inputs[SYNTHESIZE.name],
        base=start_of(work.inputs),
        out=work.out,
        seed=work.seed,
        progress=work.progress,
        scratch=work.scratch,
    )
    work.meter.add_tokens(tokens)


DEMONSTRATE = Stage(
    name="demonstrate",
    kind=EPISODE_SET,
    work=_demonstrate,
    module="lib.learning.demonstrate",
    inputs=(SOURCE, DATABASES, IMAGES, SYNTHESIZE, BASE, ALIGN),
    settings=("policy", "engine", "environment", "demonstrate"),
    libraries=("bm25s", "duckdb", "numpy", "pyarrow", "sqlglot", "tokenizers", "transformers"),
)

demonstrate = stage_task(DEMONSTRATE)
