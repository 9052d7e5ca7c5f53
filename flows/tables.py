"""What the commands print on stdout: tables for people, or the same data as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.catalogue import POLICIES, read_accuracies, read_extrapolation
from flows.plan import Action, Step
from flows.terminal import print_table
from lib.percent import percent
from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import Reference

ACTIONS = {
    Action.CACHED: "cached",
    Action.RUN: "will run",
    Action.DEPENDS: "will run unless its inputs come out unchanged",
}


def print_json(data: Any) -> None:
    print(json.dumps(data, indent=1, default=str, ensure_ascii=False))


def print_plan(steps: Sequence[Step], profile: str) -> None:
    rows = [(step.stage, ACTIONS[step.action], "; ".join(step.reasons) or step.reference) for step in steps]
    print_table(f"Plan for profile {profile}", ("stage", "what", "why"), rows)


def print_artifacts(found: Sequence[dict[str, Any]], store: Path) -> None:
    """Entries of flows.catalogue.list_artifacts."""
    rows = [
        (
            item["kind"],
            item["digest"][:12],
            item["stage"],
            ", ".join(f"{name} {count:,}" for name, count in item["rows"].items()),
            f"{item['bytes'] / 1e6:,.1f}",
            f"{item['seconds']:,.1f}",
            item["finished_at"],
        )
        for item in found
    ]
    columns = ("kind", "digest", "stage", "rows", "MB", "seconds", "finished")
    print_table(f"Artifacts in {store}", columns, rows, numbers=("MB", "seconds"))


def print_artifact(found: dict[str, Any]) -> None:
    """What flows.catalogue.describe_artifact tells: facts, then the first rows of every table."""
    manifest = found["manifest"]
    provenance = manifest["provenance"]
    facts = [("path", found["path"]), ("digest", manifest["digest"]), ("bytes", f"{manifest['size']:,}")]
    facts += [("stage", provenance["stage"]), ("fingerprint", provenance["fingerprint"])]
    facts += [(f"input {stage}", item["digest"]) for stage, item in provenance["inputs"].items()]
    facts += [(name, value) for name, value in provenance["cost"].items()]
    facts += [("finished", provenance["finished_at"])]
    print_table(manifest["kind"], ("what", "value"), facts)
    for table, rows in found["first_rows"].items():
        cells = [(index, key, value) for index, row in enumerate(rows) for key, value in row.items()]
        print_table(f"{table}: {manifest['rows'][table]:,} rows", ("row", "column", "value"), cells)


def print_lineage(found: Sequence[dict[str, Any]]) -> None:
    """Entries of flows.catalogue.describe_lineage."""
    rows = [
        (
            item["stage"],
            f"{item['kind']}/{item['digest'][:12]}",
            ", ".join(sorted(f"{part['stage']} {part['digest'][:12]}" for part in item["inputs"])),
        )
        for item in found
    ]
    print_table("Lineage", ("stage", "artifact", "made from"), rows)


def print_result(references: dict[str, Reference], store: ArtifactStore, *, as_json: bool) -> None:
    """A run's end: the scores, where they are there, what stands behind the last of them, and the report's path."""
    scores = read_accuracies(store.path(references["evaluate"])) if "evaluate" in references else []
    page = store.path(references["report"]) / "report.html" if "report" in references else None
    note = read_extrapolation(store.path(references["extrapolate"])) if "extrapolate" in references else ""
    if as_json:
        artifacts = {name: {"kind": item.kind, "digest": item.digest} for name, item in references.items()}
        print_json({"artifacts": artifacts, "accuracy": scores, "extrapolation": note, "report": page})
        return
    if scores:
        rows = [(POLICIES[row["policy"]], percent(row["value"]), interval(row), row["n"]) for row in scores]
        columns = ("policy", "accuracy", "95 % interval", "questions")
        print_table("Accuracy on held-out questions", columns, rows, numbers=columns[1:])
    if note:
        print(note)
    if page:
        print(f"Report: {page}")


def interval(row: dict[str, Any]) -> str:
    return f"{percent(row['low'])} to {percent(row['high'])}"
