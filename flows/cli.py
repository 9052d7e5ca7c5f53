"""The command line: `ropewalk run`, `plan`, `artifacts`, `show`, `lineage`, `report`, `ui`.

Data goes to stdout, progress and errors to stderr. Modules that import Prefect are imported inside
the commands, since Prefect reads its settings from the environment when it is first imported.
"""

from __future__ import annotations

import logging
import sys
import webbrowser
from typing import Annotated

import typer

from flows.options import DEFAULT_STORE, AsJson, Name, RunOptions, Store, takes_run_options
from flows.server import keep_quiet, serve_ui, serving
from lib.errors import RopewalkError
from lib.store.artifact_store import ArtifactStore
from lib.store.writable import require_writable

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Hard questions out of real sources, agents that learn to answer them with tools, and the judgement.",
)

INTERRUPTED = 130  # what shells report for Ctrl-C


@app.command()
@takes_run_options
def run(options: RunOptions) -> None:
    """Run the chain; stages whose artifact is known and whole come from the store."""
    options.load_settings()  # a mistake is told before anything starts
    require_writable(options.store)
    from flows.terminal import StageBars, stderr

    try:
        with serving(options.store) as server:
            from flows.execute import Request, execute
            from flows.tables import print_result

            recompute, stages = options.select_stages()
            with StageBars(stages) as bars:
                request = Request(
                    options.profile, options.store, options.overrides or [], options.seed, recompute, options.only
                )
                references = execute(request, server, bars)
    except KeyboardInterrupt:
        stderr.print("Interrupted. Finished stages are kept; the same command goes on from there.", highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    print_result(references, ArtifactStore(options.store), as_json=options.as_json)
    stderr.print(f"The run's record: `ropewalk ui --store {options.store}`", highlight=False, markup=False)


@app.command()
@takes_run_options
def plan(options: RunOptions) -> None:
    """Say which stages the store answers, which will run, and why; nothing is run."""
    settings = options.load_settings()
    from flows.plan import make_plan
    from flows.tables import print_json, print_plan
    from tasks.run import Run

    recompute, stages = options.select_stages()
    steps = [step for step in make_plan(Run(settings, options.store, recompute)) if step.stage in stages]
    if options.as_json:
        print_json([step.as_row() for step in steps])
    else:
        print_plan(steps, options.profile)


@app.command()
def artifacts(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """List what the store holds."""
    from flows.catalogue import list_artifacts
    from flows.tables import print_artifacts, print_json

    found = list_artifacts(ArtifactStore(store))
    if as_json:
        print_json(found)
    else:
        print_artifacts(found, store)


@app.command()
def show(name: Name, store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show an artifact: where it is, where it comes from, its first rows. It is verified on the way."""
    from flows.catalogue import describe_artifact
    from flows.tables import print_artifact, print_json

    found = describe_artifact(name, ArtifactStore(store))
    if as_json:
        print_json(found)
    else:
        print_artifact(found)


@app.command()
def lineage(
    name: Annotated[str | None, typer.Argument(help="A stage or the beginning of a digest; default: all runs.")] = None,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Show what an artifact was made from, or every stage run with its inputs."""
    from flows.catalogue import describe_lineage
    from flows.tables import print_json, print_lineage

    found = describe_lineage(name, ArtifactStore(store))
    if as_json:
        print_json(found)
    else:
        print_lineage(found)


@app.command()
def report(
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Print where the last run's report and its database are."""
    from flows.catalogue import resolve
    from flows.tables import print_json

    opened = ArtifactStore(store)
    reference = resolve("report", opened)
    opened.verify(reference)
    paths = {"report": opened.path(reference) / "report.html", "database": opened.path(reference) / "run.duckdb"}
    if as_json:
        print_json(paths)
    else:
        print(paths["report"])
        print(paths["database"])
    if open_page:
        webbrowser.open(paths["report"].as_uri())


@app.command()
def ui(store: Store = DEFAULT_STORE, port: Annotated[int, typer.Option(help="0 takes a free one.")] = 4200) -> None:
    """Serve Prefect's pages over the store's runs until Ctrl-C; runs meanwhile use the same server."""
    require_writable(store)
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


if __name__ == "__main__":
    main()
