"""The command line: `ropewalk run`, `plan`, `artifacts`, `show`, `lineage`, `report`, `ui`.

Data goes to stdout, progress and errors to stderr. Modules that import Prefect are imported inside
the commands, since Prefect reads its settings from the environment when it is first imported.
"""

from __future__ import annotations

import json
import logging
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.server import keep_quiet, serve_ui, serving
from lib.errors import RopewalkError, SettingsError
from lib.settings.load import DEFAULT_PROFILE, load_settings
from lib.store.artifact_store import ArtifactStore

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Hard questions out of real sources, agents that learn to answer them with tools, and the judgement.",
)

Profile = Annotated[str, typer.Option(help="A profile by name (laptop, nano, cluster), or the path of a TOML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Repeatable.")]
Seed = Annotated[int | None, typer.Option(min=0, help="The run's seed; every other seed derives from it.")]
Store = Annotated[Path, typer.Option(envvar="ROPEWALK_STORE", help="Where artifacts are.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
From = Annotated[str | None, typer.Option("--from", metavar="STAGE", help="Compute this stage and all after it again.")]
Only = Annotated[str | None, typer.Option(metavar="STAGE", help="Run one stage, its inputs from the store.")]
Force = Annotated[list[str] | None, typer.Option(metavar="STAGE", help="Compute this stage again. Repeatable.")]
Name = Annotated[str, typer.Argument(help="A stage (its last artifact), or the beginning of a digest.")]

DEFAULT_STORE = Path(".ropewalk")
INTERRUPTED = 130  # what shells report for Ctrl-C


@app.command()
def run(
    profile: Profile = DEFAULT_PROFILE,
    overrides: Overrides = None,
    seed: Seed = None,
    store: Store = DEFAULT_STORE,
    from_stage: From = None,
    only: Only = None,
    force: Force = None,
    as_json: AsJson = False,
) -> None:
    """Run the chain; stages whose artifact is known and whole come from the store."""
    load_settings(profile, overrides, seed)  # a mistake is told before anything starts
    from flows.terminal import StageBars, stderr

    try:
        with serving(store) as server:
            from flows.execute import Request, execute

            recompute, stages = _select(from_stage, only, force)
            with StageBars(stages) as bars:
                request = Request(profile, store, overrides or [], seed, recompute, only)
                references = execute(request, server, bars)
    except KeyboardInterrupt:
        stderr.print("Interrupted. Finished stages are kept; the same command goes on from there.", highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    _print_result(references, ArtifactStore(store), as_json=as_json)
    stderr.print(f"The run's record: `ropewalk ui --store {store}`", highlight=False)


@app.command()
def plan(
    profile: Profile = DEFAULT_PROFILE,
    overrides: Overrides = None,
    seed: Seed = None,
    store: Store = DEFAULT_STORE,
    from_stage: From = None,
    only: Only = None,
    force: Force = None,
    as_json: AsJson = False,
) -> None:
    """Say which stages the store answers, which will run, and why; nothing is run."""
    settings = load_settings(profile, overrides, seed)
    from flows.plan import make_plan
    from flows.terminal import print_table
    from tasks.run import Run

    recompute, stages = _select(from_stage, only, force)
    steps = [step for step in make_plan(Run(settings, store, recompute)) if step.stage in stages]
    if as_json:
        rows = [
            {"stage": step.stage, "action": step.action, "reasons": step.reasons, "artifact": _digest(step.reference)}
            for step in steps
        ]
        _print_json(rows)
        return
    names = {"cached": "cached", "run": "will run", "depends": "will run unless its inputs come out unchanged"}
    rows = [(step.stage, names[step.action], "; ".join(step.reasons) or step.reference) for step in steps]
    print_table(f"Plan for profile {profile}", ("stage", "what", "why"), rows)


@app.command()
def artifacts(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """List what the store holds."""
    from flows.catalogue import list_artifacts
    from flows.terminal import print_table

    found = list_artifacts(ArtifactStore(store))
    if as_json:
        _print_json(found)
        return
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


@app.command()
def show(name: Name, store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show an artifact: where it is, where it comes from, its first rows. It is verified on the way."""
    from flows.catalogue import describe_artifact
    from flows.terminal import print_table

    found = describe_artifact(name, ArtifactStore(store))
    if as_json:
        _print_json(found)
        return
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


@app.command()
def lineage(
    name: Annotated[str | None, typer.Argument(help="A stage or the beginning of a digest; default: all runs.")] = None,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Show what an artifact was made from, or every stage run with its inputs."""
    from flows.catalogue import describe_lineage
    from flows.terminal import print_table

    found = describe_lineage(name, ArtifactStore(store))
    if as_json:
        _print_json(found)
        return
    rows = [
        (
            item["stage"],
            f"{item['kind']}/{item['digest'][:12]}",
            ", ".join(sorted(f"{part['stage']} {part['digest'][:12]}" for part in item["inputs"])),
        )
        for item in found
    ]
    print_table("Lineage", ("stage", "artifact", "made from"), rows)


@app.command()
def report(
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Print where the last run's report and its database are."""
    from flows.catalogue import resolve

    opened = ArtifactStore(store)
    reference = resolve("report", opened)
    opened.verify(reference)
    paths = {"report": opened.path(reference) / "report.html", "database": opened.path(reference) / "run.duckdb"}
    if as_json:
        _print_json(paths)
    else:
        print(paths["report"])
        print(paths["database"])
    if open_page:
        webbrowser.open(paths["report"].as_uri())


@app.command()
def ui(store: Store = DEFAULT_STORE, port: Annotated[int, typer.Option(help="0 takes a free one.")] = 4200) -> None:
    """Serve Prefect's pages over the store's runs until Ctrl-C; runs meanwhile use the same server."""
    server = serve_ui(store, port)
    print(server.ui_url, flush=True)
    try:
        server.watch()
    finally:
        server.stop()


def main() -> None:
    """Run a command; what a user can mend is told in words, without a traceback."""
    keep_quiet()
    _show_warnings()
    try:
        app()
    except RopewalkError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def _show_warnings() -> None:
    """Ours only: what Prefect logs is in its pages."""
    from rich.logging import RichHandler

    from flows.terminal import stderr

    logger = logging.getLogger("ropewalk")
    logger.addHandler(RichHandler(console=stderr, show_time=False, show_level=False, show_path=False))
    logger.propagate = False


def _select(from_stage: str | None, only: str | None, force: list[str] | None) -> tuple[list[str], list[str]]:
    """Names of the stages to compute again, and of all stages concerned."""
    from flows.stages import STAGES, find_stage, with_later_stages

    if only and from_stage:
        raise SettingsError("--only and --from exclude each other.", next_step="leave one of them out")
    recompute = [find_stage(name).name for name in force or []]
    if from_stage:
        recompute += [stage.name for stage in with_later_stages(find_stage(from_stage))]
    stages = [find_stage(only).name] if only else [stage.name for stage in STAGES]
    if outside := [name for name in recompute if name not in stages]:
        raise SettingsError(f"--force {outside[0]} does not fit --only {only}.", next_step="leave one of them out")
    return recompute, stages


def _print_result(references: dict[str, Any], store: ArtifactStore, *, as_json: bool) -> None:
    """The closing table, where the scores are there, and the path of the report."""
    from flows.catalogue import POLICIES, read_accuracies
    from flows.terminal import print_table

    scores = read_accuracies(store.path(references["evaluate"])) if "evaluate" in references else []
    page = store.path(references["report"]) / "report.html" if "report" in references else None
    if as_json:
        artifacts = {name: {"kind": item.kind, "digest": item.digest} for name, item in references.items()}
        _print_json({"artifacts": artifacts, "accuracy": scores, "report": page})
        return
    if scores:
        rows = [
            (POLICIES[row["policy"]], f"{row['value']:.1%}", f"{row['low']:.1%} - {row['high']:.1%}", row["n"])
            for row in scores
        ]
        columns = ("policy", "accuracy", "95 % interval", "questions")
        print_table("Accuracy on held-out questions", columns, rows, numbers=columns[1:])
    if page:
        print(f"Report: {page}")


def _digest(reference: Any) -> str | None:
    return reference.digest if reference else None


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=1, default=str, ensure_ascii=False))


if __name__ == "__main__":
    main()
