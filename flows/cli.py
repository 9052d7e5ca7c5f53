"""The command line: `ropewalk run`, `plan`, `import`, `artifacts`, `show`, `lineage`, `gc`, `report`, `ui`,
`serve`, `worker`, `register`, `deployments`.

Data goes to stdout, progress and errors to stderr. Modules that import Prefect are imported inside
the commands, since Prefect reads its settings from the environment when it is first imported.
"""

from __future__ import annotations

import logging
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from flows.command_line.options import (
    DEFAULT_STORE,
    AsJson,
    Cron,
    Name,
    Port,
    RunOptions,
    ServedProfile,
    Store,
    takes_run_options,
)
from flows.operating.server import HOST, keep_quiet, lasting_server, point_at, require_server, serving
from flows.operating.signals import interrupt_on_signals
from flows.operating.watch_runs import runs_watched
from lib.errors import RopewalkError
from lib.settings.load import DEFAULT_PROFILE, load_settings
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
    from flows.command_line.terminal import StageBars, stderr

    try:
        with serving(options.store) as server:
            from flows.command_line.tables import print_result
            from flows.execute import Request, execute

            recompute, stages = options.select_stages()
            given = {name: reference.full for name, reference in options.resolve_given().items()}
            with StageBars(stages) as bars:
                request = Request(
                    options.profile,
                    options.store,
                    options.overrides or [],
                    options.seed,
                    options.domains or [],
                    recompute,
                    options.only,
                    given,
                )
                references = execute(request, server, bars)
    except KeyboardInterrupt as interrupt:
        how = str(interrupt) or "Interrupted"
        stderr.print(f"{how}. Finished stages are kept; the same command goes on from there.", highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    print_result(references, ArtifactStore(options.store), as_json=options.as_json)
    stderr.print(f"The run's record: `ropewalk ui --store {options.store}`", highlight=False, markup=False)


@app.command()
@takes_run_options
def plan(options: RunOptions) -> None:
    """Say which stages the store answers, which will run, and why; nothing is run."""
    settings = options.load_settings()
    from flows.command_line.tables import print_json, print_plan
    from flows.plan import make_plan
    from tasks.run import Run

    recompute, stages = options.select_stages()
    planned = Run(settings, options.store, recompute, given=options.resolve_given())
    steps = [step for step in make_plan(planned) if step.stage in stages]
    if options.as_json:
        print_json([step.as_row() for step in steps])
    else:
        print_plan(steps, options.profile)


@app.command()
def artifacts(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """List what the store holds."""
    from flows.command_line.catalogue import list_artifacts
    from flows.command_line.tables import print_artifacts, print_json

    found = list_artifacts(ArtifactStore(store))
    if as_json:
        print_json(found)
    else:
        print_artifacts(found, store)


@app.command()
def show(name: Name, store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show an artifact: where it is, where it comes from, its first rows. It is verified on the way."""
    from flows.command_line.catalogue import describe_artifact
    from flows.command_line.tables import print_artifact, print_json

    found = describe_artifact(name, ArtifactStore(store))
    if as_json:
        print_json(found)
    else:
        print_artifact(found)


@app.command()
def lineage(
    name: Annotated[str | None, typer.Argument(help="A stage or the beginning of a digest; default: all runs.")] = None,
    up: Annotated[bool, typer.Option("--up", help="Only what it was made from.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what was made of it.")] = False,
    database: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the lineage of the whole store to a DuckDB file.")
    ] = None,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Show what an artifact was made from and what was made of it, or every stage run with its inputs."""
    from flows.command_line.catalogue import describe_relatives, describe_runs, save_lineage
    from flows.command_line.lineage_tree import print_tree
    from flows.command_line.tables import print_database, print_json, print_lineage

    opened = ArtifactStore(store)
    if database is not None:
        found, print_found = save_lineage(opened, database), print_database
    elif name is not None:
        both = up == down
        found, print_found = describe_relatives(name, opened, up=up or both, down=down or both), print_tree
    else:
        found, print_found = describe_runs(opened), print_lineage
    (print_json if as_json else print_found)(found)


@app.command(name="import")
def import_(
    kind: Annotated[str, typer.Argument(help="What the files hold: questions or episodes.")],
    files: Annotated[list[Path], typer.Argument(help="Parquet, JSON Lines, CSV or TSV, also with .gz.")],
    graph: Annotated[
        str | None,
        typer.Option(
            help="The graph whose pages the evidence stands on; default: the last one. `none` compares nothing."
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Bring in a hand-made replacement of an artifact, for `ropewalk run --use`."""
    from flows.command_line.imports import import_files
    from flows.command_line.tables import print_import, print_json

    found = import_files(kind, files, graph, ArtifactStore(store))
    if as_json:
        print_json(found)
    else:
        print_import(found)


@app.command()
def gc(
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="N|RUN", help="So many latest runs, or a stage or the beginning of a digest. Repeatable."),
    ] = None,
    keep_newer: Annotated[
        str | None, typer.Option(metavar="AGE", help="Whatever was made within 30m, 12h, 7d or 2w, and what it needs.")
    ] = None,
    imports: Annotated[bool, typer.Option("--imports", help="Imports that nothing needs go too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it, only what would go is told.")] = False,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Tell which artifacts no kept run needs, or remove them; what a running process uses stays."""
    from flows.command_line.garbage import collect
    from flows.command_line.tables import print_json, print_sweep

    found = collect(keep or [], keep_newer, ArtifactStore(store), imports=imports, remove=yes)
    (print_json if as_json else print_sweep)(found)


@app.command()
def report(
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Print where the last run's report and its database are."""
    from flows.command_line.catalogue import resolve
    from flows.command_line.tables import print_json

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
def ui(store: Store = DEFAULT_STORE, port: Port = 4200) -> None:
    """Serve Prefect's pages over the store's runs until Ctrl-C; runs meanwhile use the same server."""
    require_writable(store)
    interrupt_on_signals()
    with suppress(KeyboardInterrupt), lasting_server(store, port) as server:
        point_at(server.url, server.home, server.credentials)
        print(server.ui_url, flush=True)
        with runs_watched(store, server.url):
            server.watch()


@app.command()
def serve(
    store: Store = DEFAULT_STORE,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine the server asks for a password.")
    ] = HOST,
    port: Port = 4200,
    profile: ServedProfile = DEFAULT_PROFILE,
    cron: Cron = None,
    workers: Annotated[
        bool, typer.Option("--workers/--no-workers", help="Without: the head of a fleet, whose workers are elsewhere.")
    ] = True,
) -> None:
    """Start server, work pools, workers and deployments on this machine, until Ctrl-C."""
    load_settings(profile)
    require_writable(store)
    from flows.operating.serve import serve as start

    with suppress(KeyboardInterrupt):
        start(store, host=host, port=port, profile=profile, cron=cron, with_workers=workers)


@app.command()
def worker(
    pool: Annotated[str, typer.Option(help="The work pool whose runs it takes: cpu or gpu.")],
    store: Store = DEFAULT_STORE,
    limit: Annotated[int | None, typer.Option(min=1, help="Runs at once; default: as many as the pool allows.")] = None,
) -> None:
    """Take runs of a work pool on this machine, until Ctrl-C; the server is that of PREFECT_API_URL or of the store."""
    require_writable(store)
    from flows.operating.fleet_worker import work

    with suppress(KeyboardInterrupt):
        work(store, pool=pool, limit=limit)


@app.command()
def register(
    profile: ServedProfile = DEFAULT_PROFILE,
    cron: Cron = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Declare work pools and deployments for a fleet, at the server of PREFECT_API_URL or of the store."""
    load_settings(profile)
    url = require_server(store)
    from flows.operating.registration import register_for_a_fleet

    register_for_a_fleet(profile, cron)
    print(f"Pools and deployments are declared at {url}.", file=sys.stderr)


@app.command()
def deployments(
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As prefect.yaml, for `prefect deploy --all`.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the pipeline and the stages as deployments: their pools, schedules and limits."""
    from flows import deployments as table
    from flows.command_line.tables import print_deployments, print_json

    if as_yaml:
        print(table.as_yaml(), end="")
    elif as_json:
        print_json([table.as_declared(deployment) for deployment in table.DEPLOYMENTS])
    else:
        print_deployments(table.DEPLOYMENTS)


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

    from flows.command_line.terminal import stderr

    logger = logging.getLogger("ropewalk")
    logger.addHandler(RichHandler(console=stderr, show_time=False, show_level=False, show_path=False))
    logger.propagate = False


if __name__ == "__main__":
    main()
