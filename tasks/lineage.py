"""The last task of a run: which artifacts it used and made, from sources to scores, as one page with a graph.

In: the references of all stages. Out: a markdown artifact under a key that stays the same, so that its
versions are those of the runs. Each box of the graph leads to its stage's card. An arrow that follows from others is
left out, as the graph has to be read at a glance: the cards and `ropewalk lineage` name every input.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import networkx as nx
from prefect import Task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from lib.store.manifest import Reference
from tasks.card_text import commands
from tasks.publish import key_of, worth_no_result
from tasks.run import Outcome, Run

KEY = "lineage"
# Fill, border and ink; ink on fill is readable in light and in dark pages.
COLOURS = {
    Outcome.COMPUTED: "fill:#d7efe3,stroke:#00795a,color:#1f2933",
    Outcome.CACHED: "fill:#d6e6f2,stroke:#0072b2,color:#1f2933",
    Outcome.GIVEN: "fill:#f3dcea,stroke:#a3568a,color:#1f2933",
}
# Tables that say best how much an artifact holds, the first of them that it has.
TELLING = ("facts", "questions", "scores", "steps", "sweep", "episodes")
LEGEND = (
    "Green: computed by this run. Blue: cached, known from an earlier run. Pink: given in place of a stage's own. "
    "A box leads to its stage's card. Arrows that follow from others are left out."
)
FILE_COLOURS = "fill:#f0f2f4,stroke:#6b7280,color:#1f2933"


def _publish(run: Run, **stages: Reference) -> None:
    with worth_no_result("the run's lineage"):
        create_markdown_artifact(write_lineage_page(run, stages), key=KEY, description="from sources to scores")


# Never cached: it tells what this run did.
lineage = Task(_publish, name="lineage", description=__doc__, cache_policy=NO_CACHE, persist_result=False)


def write_lineage_page(run: Run, stages: Mapping[str, Reference]) -> str:
    """The graph, what its colours mean, and every artifact as a command to paste."""
    stages = _with_ancestors(run, stages)
    width = max(len(str(reference)) for reference in stages.values())
    shown = [f"ropewalk show {str(reference):{width}}   # {name}" for name, reference in stages.items()]
    lines = ["# Lineage", "", "```mermaid", *_draw(run, stages), "```", "", LEGEND, ""]
    return "\n".join([*lines, *commands(shown)])


def _with_ancestors(run: Run, stages: Mapping[str, Reference]) -> dict[str, Reference]:
    """Those of the run, and where it began in mid-chain, what its first artifacts were made from."""
    found: dict[str, Reference] = {}

    def add(name: str, reference: Reference) -> None:
        if name in found or stages.get(name, reference) != reference:
            return
        for before, made_from in run.store.manifest(reference).provenance.inputs.items():
            add(before, made_from)
        found[name] = reference

    for name, reference in stages.items():
        add(name, reference)
    return found


def _draw(run: Run, stages: Mapping[str, Reference]) -> list[str]:
    """A mermaid flowchart; downwards, since the pages shrink a wide one until it cannot be read."""
    lines = ["flowchart TB"]
    for name, reference in stages.items():
        outcome = run.outcomes.get(name, Outcome.CACHED)
        manifest = run.store.manifest(reference)
        words = "<br/>".join([name, *_count(manifest.rows), reference.short[:8]])
        lines.append(f'  {name}["{words}"]:::{outcome}')
        address = run.cards.get(name, f"/v2/artifacts/key/{key_of(name)}")
        lines.append(f'  click {name} href "{address}" "The card of {name}"')
        for number, origin in enumerate(manifest.provenance.origins.values(), start=1):
            file = f"{name}_file_{number}"
            lines += [f'  {file}[("{_label(Path(origin).name)}")]:::file', f"  {file} --> {name}"]
    lines += [f"  {start} --> {end}" for start, end in _edges(run, stages)]
    lines += [f"  classDef {outcome} {colours}" for outcome, colours in COLOURS.items()]
    return [*lines, f"  classDef file {FILE_COLOURS}"]


def _edges(run: Run, stages: Mapping[str, Reference]) -> list[tuple[str, str]]:
    """What each stage was given in this run; for an artifact given in a stage's place, what that was made from."""
    graph = nx.DiGraph()
    for name, reference in stages.items():
        made_from = run.inputs.get(name, {})
        if name not in run.inputs or run.outcomes.get(name) is Outcome.GIVEN:
            made_from = run.store.manifest(reference).provenance.inputs
        graph.add_edges_from((start, name) for start, item in made_from.items() if stages.get(start) == item)
    return list(nx.transitive_reduction(graph).edges)


def _count(rows: Mapping[str, int]) -> list[str]:
    """The rows of the table that stands for the artifact, if it has any table."""
    table = next((name for name in TELLING if name in rows), next(iter(rows), None))
    return [f"{rows[table]:,} {_label(table)}"] if table else []


def _label(text: str) -> str:
    """Text from data in a box: mermaid's own entities in place of what could be markup."""
    return re.sub(r"[^\w ,'-]", lambda found: f"#{ord(found[0])};", text)
