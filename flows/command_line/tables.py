"""What the commands print on stdout: tables for people, or the same data as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.command_line.catalogue import POLICIES, read_accuracies, read_extrapolation
from flows.command_line.terminal import print_table
from flows.deployments import Deployment
from flows.plan import Action, Step
from lib.percent import percent
from lib.report.tables import title_of
from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import Reference

ACTIONS = {
    Action.CACHED: "cached",
    Action.GIVEN: "given",
    Action.RUN: "will run",
    Action.DEPENDS: "will run unless its inputs come out unchanged",
}


def print_json(data: Any) -> None:
    print(json.dumps(data, indent=1, default=str, ensure_ascii=False))


def print_plan(steps: Sequence[Step], profile: str) -> None:
    rows = [(step.stage, ACTIONS[step.action], _why(step)) for step in steps]
    print_table(f"Plan for profile {profile}", ("stage", "what", "why"), rows)


def _why(step: Step) -> str:
    return ": ".join(filter(None, (str(step.reference or ""), "; ".join(step.reasons))))


def print_artifacts(found: Sequence[dict[str, Any]], store: Path) -> None:
    """Entries of catalogue.list_artifacts."""
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
    """What catalogue.describe_artifact tells: facts, then the first rows of every table."""
    manifest = found["manifest"]
    provenance = manifest["provenance"]
    facts = [("path", found["path"]), ("digest", manifest["digest"]), ("bytes", f"{manifest['size']:,}")]
    facts += [("stage", provenance["stage"]), ("fingerprint", provenance["fingerprint"])]
    facts += [(f"input {stage}", item["digest"]) for stage, item in provenance["inputs"].items()]
    facts += [(f"read {key}", path) for key, path in provenance["origins"].items()]
    facts += [(name, value) for name, value in provenance["cost"].items()]
    facts += [("finished", provenance["finished_at"])]
    print_table(manifest["kind"], ("what", "value"), facts)
    for table, rows in found["first_rows"].items():
        cells = [(index, key, value) for index, row in enumerate(rows) for key, value in row.items()]
        print_table(f"{table}: {manifest['rows'][table]:,} rows", ("row", "column", "value"), cells)


def print_import(found: dict[str, Any]) -> None:
    """What imports.import_files tells."""
    facts = [("artifact", f"{found['kind']}/{found['digest']}"), ("path", found["path"])]
    facts += [("from", file) for file in found["files"]]
    facts += [(f"rows {name}", f"{count:,}") for name, count in found["rows"].items()]
    facts += [("note", note) for note in found["notes"]]
    print_table("Imported", ("what", "value"), [*facts, ("next", found["next"])])


def print_lineage(found: Sequence[dict[str, Any]]) -> None:
    """Entries of catalogue.describe_runs."""
    rows = [
        (
            item["stage"],
            f"{item['kind']}/{item['digest'][:12]}",
            ", ".join(sorted(f"{part['stage']} {part['digest'][:12]}" for part in item["inputs"])),
        )
        for item in found
    ]
    print_table("Lineage", ("stage", "artifact", "made from"), rows)


def print_database(found: dict[str, Any]) -> None:
    """What catalogue.save_lineage tells."""
    rows = [(name, f"{count:,}") for name, count in found["rows"].items()]
    print_table(f"Lineage in {found['database']}", ("table", "rows"), rows, numbers=("rows",))


def print_sweep(found: dict[str, Any]) -> None:
    """What garbage.collect tells: what goes, and how much stays for which reason."""
    rows = [
        (
            item["what"],
            f"{item['kind']}/{item['digest'][:12]}" if item["digest"] else Path(item["path"]).name,
            item["stage"],
            f"{item['bytes'] / 1e6:,.1f}",
            item["reason"],
        )
        for item in found["remove"]
    ]
    title = "Removed" if found["removed"] else "Would go"
    if rows:
        print_table(title, ("what", "name", "stage", "MB", "why"), rows, numbers=("MB",))
    kept = [(reason, f"{count:,}") for reason, count in found["kept_because"].items()]
    if kept:
        print_table("Stays", ("why", "items"), kept, numbers=("items",))
    freed = f"{len(rows):,} items, {found['bytes'] / 1e6:,.1f} MB"
    print(f"{title}: {freed}." + ("" if found["removed"] or not rows else " The same command with --yes removes them."))


def print_deployments(table: Sequence[Deployment]) -> None:
    rows = [(item.full_name, item.pool, item.cron or "", item.limit or "", item.description) for item in table]
    print_table("Deployments", ("name", "pool", "schedule (UTC)", "at once", "what it does"), rows)


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
        columns = ("policy", "accuracy", "95 % interval", "questions")
        for name in dict.fromkeys(row["benchmark"] for row in scores):
            own = [row for row in scores if row["benchmark"] == name]
            rows = [(POLICIES[row["policy"]], percent(row["value"]), interval(row), row["n"]) for row in own]
            print_table(f"Accuracy: {title_of(name)}", columns, rows, numbers=columns[1:])
    if note:
        print(note)
    if page:
        print(f"Report: {page}")


def interval(row: dict[str, Any]) -> str:
    return f"{percent(row['low'])} to {percent(row['high'])}"
