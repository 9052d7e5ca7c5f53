"""One HTML page and one DuckDB database of the whole run."""

from __future__ import annotations

from data_contracts.scores import REPORT as KIND
from lib.settings.settings import Settings
from tasks.align import ALIGN
from tasks.base import BASE
from tasks.databases import DATABASES
from tasks.demonstrate import DEMONSTRATE
from tasks.evaluate import EVALUATE
from tasks.extrapolate import EXTRAPOLATE
from tasks.images import IMAGES
from tasks.prefect_task import stage_task
from tasks.reinforce import REINFORCE
from tasks.run import Outcome
from tasks.source import SOURCE
from tasks.stage import Stage, Work
from tasks.synthesize import SYNTHESIZE
from tasks.warm_up import WARM_UP


def _write(work: Work) -> None:
    from lib.report.write_report import write_report

    write_report(
        work.settings,
        inputs=work.inputs,
        lineage=lineage_of(work),
        costs=costs_of(work),
        out=work.out,
        progress=work.progress,
    )


def lineage_of(work: Work) -> list[dict]:
    """One entry a stage: its artifact, where that comes from if it was given, and what it was made from."""
    digests = {name: manifest.digest for name, manifest in work.manifests.items()}
    return [
        {
            "stage": stage.name,
            "kind": stage.kind.name,
            "digest": digests[stage.name],
            "rows": work.manifests[stage.name].rows.get(stage.kind.summary, 0),
            "origin": work.origins.get(stage.name, ""),
            "inputs": [
                {"stage": name, "digest": digest}
                for name, digest in _inputs_of(stage, work).items()
                if digests.get(name) == digest
            ],
        }
        for stage in REPORT.inputs
        if stage.name in digests
    ]


def _inputs_of(stage: Stage, work: Work) -> dict[str, str]:
    """Digests by stage: those of this run, or for an artifact that was given those that it was made from."""
    if stage.name in work.origins:
        return {name: item.digest for name, item in work.manifests[stage.name].provenance.inputs.items()}
    return {item.name: work.manifests[item.name].digest for item in stage.inputs if item.name in work.manifests}


def costs_of(work: Work) -> list[dict]:
    """What each stage took when it was computed, and whether this run found it in the store."""
    return [
        {
            "stage": name,
            **manifest.provenance.cost.model_dump(),
            "cached": work.outcomes.get(name) in (Outcome.CACHED, Outcome.GIVEN),
        }
        for name, manifest in work.manifests.items()
    ]


REPORT = Stage(
    name="report",
    kind=KIND,
    work=_write,
    module="lib.report.write_report",
    inputs=(SOURCE, DATABASES, IMAGES, SYNTHESIZE, BASE, ALIGN, DEMONSTRATE, WARM_UP, REINFORCE, EXTRAPOLATE, EVALUATE),
    settings=tuple(name for name in Settings.model_fields if name not in ("seed", "lineage")),
    libraries=("duckdb", "Jinja2", "matplotlib", "networkx"),
)

report = stage_task(REPORT)
