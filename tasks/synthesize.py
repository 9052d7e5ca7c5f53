"""Questions whose answers the graph holds, filtered and split by entity."""

from __future__ import annotations

from pathlib import Path

from data_contracts.questions import QUESTION_SET
from lib.seeds import derive_seed
from lib.settings.judge import NoJudge, PolicyJudge
from lib.settings.settings import Settings
from tasks.prefect_task import stage_task
from tasks.source import SOURCE
from tasks.stage import Dependencies, Stage, Work


def _synthesize(work: Work) -> None:
    from lib.synthesis.knowledge.synthesize import synthesize

    graph = work.inputs[SOURCE.name]
    judge = None
    if _is_judged(work.settings):
        from lib.rollout.judge import make_judge

        judge = make_judge(work.settings, pages=graph, seed=derive_seed(work.seed, "judge"), scratch=work.scratch)
    tokens = synthesize(
        work.settings.synthesis,
        graph=graph,
        out=work.out,
        seed=work.seed,
        progress=work.progress,
        judge=judge,
        scratch=work.scratch,
    )
    work.meter.add_tokens(tokens)


def _is_judged(settings: Settings) -> bool:
    return not isinstance(settings.synthesis.judge, NoJudge)


def _of_the_judge(settings: Settings) -> Dependencies:
    """A judge attempts the questions in the environment, and a policy does so with the engine."""
    if not _is_judged(settings):
        return Dependencies()
    judge = Dependencies(modules=("lib.rollout.judge",), settings=("environment",), libraries=("bm25s",))
    if not isinstance(settings.synthesis.judge, PolicyJudge):
        return judge
    return Dependencies(
        modules=judge.modules,
        settings=(*judge.settings, "engine"),
        libraries=(*judge.libraries, "safetensors", "tokenizers", "torch", "transformers"),
    )


def _judging_policy(settings: Settings) -> dict[str, Path]:
    judge = settings.synthesis.judge
    return {"synthesis.judge.checkpoint": judge.checkpoint} if isinstance(judge, PolicyJudge) else {}


SYNTHESIZE = Stage(
    name="synthesize",
    kind=QUESTION_SET,
    work=_synthesize,
    module="lib.synthesis.knowledge.synthesize",
    inputs=(SOURCE,),
    settings=("synthesis",),
    libraries=("datasketch", "duckdb", "networkx", "numpy", "pyarrow"),
    more=_of_the_judge,
    files=_judging_policy,
    retries=1,
)

synthesize = stage_task(SYNTHESIZE)
