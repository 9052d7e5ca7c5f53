"""What stands on a stage's card in Prefect's pages: one markdown text, made from the stage's artifact.

In: a finished stage of a run. Out: text. Nothing is sent from here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.report.gates import tell_measured
from lib.report.stage_summary import gates_of, read_dropped, read_samples
from lib.store import STORE_VARIABLE
from lib.store.manifest import Manifest, Reference
from lib.store.origin import describe_origin
from tasks.card_text import code, commands, duration, number, plain, table
from tasks.run import Outcome, Run
from tasks.stage import Stage

SAMPLE_ROWS = 3
PROFILE_FILE = ".toml"  # ends the name of a profile that is a path


@dataclass(frozen=True)
class Finished:
    """A stage that has given its artifact."""

    stage: Stage
    run: Run
    inputs: Mapping[str, Reference]
    reference: Reference
    outcome: Outcome
    report_url: str = ""

    @property
    def manifest(self) -> Manifest:
        return self.run.store.manifest(self.reference)

    @property
    def folder(self) -> Path:
        return self.run.store.path(self.reference)


def write_card(done: Finished) -> str:
    """The whole card; that of a stage which computed nothing is short."""
    lines = [f"# {done.stage.name}", "", _headline(done), ""]
    lines += _links(done)
    lines += _went_in(done) + _came_out(done)
    if done.outcome is Outcome.COMPUTED:
        lines += _notes(done) + _gates(done) + _dropped(done) + _samples(done)
    return "\n".join([*lines, "## Next", "", *commands(next_commands(done))])


def next_commands(done: Finished) -> list[str]:
    """To paste into a shell: look at the artifact, or make it again. The command line takes each as it stands."""
    stage, name = done.stage, done.reference.full
    others = [given for given in done.run.given if given != stage.name]
    before = [given for given in others if given in stage.ancestors]
    again = "this stage and all after it, computed again" + (", but for what --use names" if others != before else "")
    return [
        f"export {STORE_VARIABLE}={shlex.quote(str(done.run.store.root))}",
        f"ropewalk show {name}",
        f"ropewalk lineage {name}",
        f"{run_command(done.run, others)} --from {stage.name}   # {again}",
        f"{run_command(done.run, before)} --only {stage.name} --force {stage.name}   # this stage alone",
    ]


def run_command(run: Run, given: Iterable[str]) -> str:
    """`ropewalk run` with what the run was asked for, and with those of its given artifacts that stages are named of.

    The artifacts are named by their digests, as `latest` may be another one by the time that somebody pastes this.
    """
    words = ["ropewalk", "run"]
    if profile := run.asked.get("profile"):
        words += ["--profile", str(Path(profile).absolute()) if profile.endswith(PROFILE_FILE) else profile]
    for setting in run.asked.get("settings") or ():
        words += ["--set", setting]
    if (seed := run.asked.get("seed")) is not None:
        words += ["--seed", str(seed)]
    for domain in run.asked.get("domains") or ():
        words += ["--domains", domain]
    for stage in given:
        words += ["--use", f"{stage}={run.given[stage].full}"]
    return shlex.join(words)


def _headline(done: Finished) -> str:
    provenance = done.manifest.provenance
    when = f"{provenance.finished_at.astimezone():%Y-%m-%d %H:%M}"
    match done.outcome:
        case Outcome.COMPUTED:
            cost = provenance.cost
            tokens = f", {cost.tokens:,} tokens" if cost.tokens else ""
            return f"**Computed** in {duration(cost.seconds)}, {cost.peak_memory_mb:,.0f} MB at most{tokens}."
        case Outcome.GIVEN:
            return f"**Given** by whoever started the run: {plain(describe_origin(done.run.store, done.reference))}."
        case Outcome.CACHED:
            return (
                f"**Cached** from {when}, when {plain(provenance.stage)} took {duration(provenance.cost.seconds)}: "
                "its settings, inputs, seed, code and libraries are the same today, and every file was verified."
            )


def _links(done: Finished) -> list[str]:
    return [f"**[Open the report]({done.report_url})**", ""] if done.report_url else []


def _went_in(done: Finished) -> list[str]:
    rows = []
    for name, reference in done.inputs.items():
        label = f"[{name}]({done.run.cards[name]})" if name in done.run.cards else name
        rows.append((label, code(str(reference)), _row_counts(done.run.store.manifest(reference))))
    for key, origin in done.manifest.provenance.origins.items():
        rows.append((plain(key), plain(origin), ""))
    return ["## In", "", *table(("from", "artifact", "rows"), rows), ""] if rows else []


def _came_out(done: Finished) -> list[str]:
    manifest = done.manifest
    rows = [
        ("artifact", code(done.reference.full)),
        ("fingerprint", code(manifest.provenance.fingerprint)),
        ("rows", _row_counts(manifest)),
        ("bytes", f"{manifest.size:,}"),
    ]
    return ["## Out", "", *table(("", ""), [row for row in rows if row[1]]), ""]


def _row_counts(manifest: Manifest) -> str:
    return ", ".join(f"{count:,} {plain(name)}" for name, count in manifest.rows.items())


def _notes(done: Finished) -> list[str]:
    lines = [f"> {plain(note)}" for note in done.manifest.provenance.notes]
    return [*lines, ""] if lines else []


def _gates(done: Finished) -> list[str]:
    folders = {name: done.run.store.path(reference) for name, reference in done.inputs.items()}
    gates = gates_of(done.stage.name, done.run.settings, folders | {done.stage.name: done.folder})
    rows = [
        (
            "✓" if gate.passed else "✗ **failed**",
            plain(gate.gate),
            plain(tell_measured(gate.measured, gate.unit)),
            plain(gate.bound),
            plain(gate.note or gate.promise),
        )
        for gate in gates
    ]
    return ["## Gates", "", *table(("", "gate", "measured", "bound", ""), rows), ""] if rows else []


def _dropped(done: Finished) -> list[str]:
    rows = [
        (plain(row["reason"]), f"{row['count']:,}", plain(row["example"] or "")) for row in read_dropped(done.folder)
    ]
    return ["## Left out", "", *table(("reason", "rows", "for instance"), rows), ""] if rows else []


def _samples(done: Finished) -> list[str]:
    name = done.stage.kind.summary
    rows = read_samples(done.folder, name, SAMPLE_ROWS)
    if not rows:
        return []
    cells = [[number(value) for value in row.values()] for row in rows]
    return [f"## First rows of {name}", "", *table([plain(key) for key in rows[0]], cells), ""]
