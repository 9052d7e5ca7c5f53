"""Questions whose answers the sources hold, filtered and split so that held-out ones share nothing with training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from data_contracts.questions import QUESTION_SET
from lib.seeds import derive_seed
from lib.settings.judge import NoJudge, PolicyJudge
from lib.settings.settings import Settings
from lib.settings.synthesis import Domain
from tasks.databases import DATABASES
from tasks.images import IMAGES
from tasks.prefect_task import stage_task
from tasks.source import SOURCE
from tasks.stage import Dependencies, Stage, Work

if TYPE_CHECKING:
    from lib.synthesis.judge import Judge
    from lib.synthesis.question_set import Made


def _synthesize(work: Work) -> None:
    from lib.synthesis.question_set import write_question_set

    judge = _make_judge(work)
    made = {domain: MAKERS[domain](work, judge) for domain in work.settings.synthesis.domains}
    for part in made.values():
        work.meter.add_tokens(part.tokens)
    write_question_set(made, work.out)


def _from_the_graph(work: Work, judge: Judge | None) -> Made:
    from lib.synthesis.knowledge.synthesize import synthesize

    return synthesize(
        work.settings.synthesis,
        graph=work.inputs[SOURCE.name],
        seed=work.seed,
        progress=work.progress,
        judge=judge,
        scratch=work.scratch,
    )


def _from_databases(work: Work, judge: Judge | None) -> Made:
    from lib.synthesis.sql.synthesize import synthesize

    return synthesize(
        work.settings.synthesis,
        databases=work.inputs[DATABASES.name],
        seed=work.seed,
        progress=work.progress,
        judge=judge,
        scratch=work.scratch,
    )


def _from_images(work: Work, judge: Judge | None) -> Made:
    from lib.synthesis.vision.synthesize import synthesize

    return synthesize(
        work.settings.synthesis,
        images=work.inputs[IMAGES.name],
        seed=work.seed,
        progress=work.progress,
        judge=judge,
        scratch=work.scratch,
    )


# What makes a domain's questions.
MAKERS: dict[Domain, Callable[[Work, Judge | None], Made]] = {
    "knowledge": _from_the_graph,
    "sql": _from_databases,
    "vision": _from_images,
}


def _make_judge(work: Work) -> Judge | None:
    if not _is_judged(work.settings):
        return None
    from lib.rollout.judge import make_judge
    from lib.rollout.worlds import Sources

    seed = derive_seed(work.seed, "judge")
    return make_judge(work.settings, sources=Sources.of(work.inputs), seed=seed, scratch=work.scratch)


def _is_judged(settings: Settings) -> bool:
    return not isinstance(settings.synthesis.judge, NoJudge)


# What a domain's questions depend on beside what all of them do.
LIBRARIES: dict[Domain, set[str]] = {"knowledge": set(), "sql": {"sqlglot", "inflect"}, "vision": {"inflect", "pillow"}}


def _counts(settings: Settings) -> Dependencies:
    """What the domains and a judge add.

    A judge attempts the questions in the environment, and a policy does so with the engine.
    """
    modules = [f"lib.synthesis.{domain}.synthesize" for domain in settings.synthesis.domains]
    libraries: set[str] = set()
    for domain in settings.synthesis.domains:
        libraries |= LIBRARIES[domain]
    sections: tuple[str, ...] = ()
    if _is_judged(settings):
        modules.append("lib.rollout.judge")
        sections, libraries = ("environment",), libraries | {"bm25s"}
        if isinstance(settings.synthesis.judge, PolicyJudge):
            sections, libraries = (
                (*sections, "engine"),
                libraries | {"safetensors", "tokenizers", "torch", "transformers"},
            )
    return Dependencies(modules=tuple(modules), settings=sections, libraries=tuple(libraries))


def _judging_policy(settings: Settings) -> dict[str, Path]:
    judge = settings.synthesis.judge
    return {"synthesis.judge.checkpoint": judge.checkpoint} if isinstance(judge, PolicyJudge) else {}


SYNTHESIZE = Stage(
    name="synthesize",
    kind=QUESTION_SET,
    work=_synthesize,
    module="lib.synthesis.question_set",
    inputs=(SOURCE, DATABASES, IMAGES),
    settings=("synthesis",),
    libraries=("datasketch", "duckdb", "networkx", "numpy", "pyarrow"),
    more=_counts,
    files=_judging_policy,
)

synthesize = stage_task(SYNTHESIZE)
