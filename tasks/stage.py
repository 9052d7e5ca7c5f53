"""A stage: settings and input references in, a verified artifact out.

    settings + inputs -> fingerprint -> known and verified? -> its reference
                                                | no
                                                +-> run in scratch -> check -> publish -> its reference

This file knows nothing of Prefect, nor of what any stage does.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from data_contracts.contract import ArtifactKind
from lib.errors import ArtifactError, RopewalkError
from lib.progress import Progress
from lib.seeds import derive_seed
from lib.settings.learning import WorkerSettings
from lib.settings.settings import Settings
from lib.store.code_closure import code_closure
from lib.store.fingerprint import Fingerprint, build_fingerprint
from lib.store.full_disk import full_disk_explained
from lib.store.locks import exclusive
from lib.store.manifest import Manifest, Provenance, Reference, RunRecord
from tasks.check_artifact import check_artifact
from tasks.measure import Meter
from tasks.run import Outcome, Run, listener
from tasks.user_files import digest_user_files

logger = logging.getLogger("ropewalk.stage")


@dataclass(frozen=True)
class Work:
    """What a stage's function gets."""

    settings: Settings  # sections that the stage does not declare are at their defaults
    workers: WorkerSettings  # how jobs are run
    inputs: dict[str, Path]  # directories by stage name
    manifests: dict[str, Manifest]  # of the inputs, by stage name
    out: Path  # empty; becomes the artifact
    scratch: Path  # survives a crash: the same fingerprint finds it again
    seed: int
    progress: Progress
    meter: Meter
    outcomes: dict[str, Outcome]  # of the stages before, in this run


def no_files(settings: Settings) -> dict[str, Path]:
    return {}


@dataclass(frozen=True)
class Dependencies:
    """What a result depends on beside its inputs and the user's files."""

    modules: tuple[str, ...] = ()  # of lib; their import closure is the code
    settings: tuple[str, ...] = ()  # sections
    libraries: tuple[str, ...] = ()  # distributions that change its numbers


def nothing_more(settings: Settings) -> Dependencies:
    return Dependencies()


@dataclass(frozen=True)
class Stage:
    """A declaration: what the stage reads, what its result depends on and which function does the work."""

    name: str
    kind: ArtifactKind
    work: Callable[[Work], None]
    module: str  # of lib; its import closure is the code that the result depends on
    inputs: tuple[Stage, ...] = ()
    settings: tuple[str, ...] = ()  # sections that the result depends on
    libraries: tuple[str, ...] = ()  # distributions that change its numbers
    seeded: bool = True
    more: Callable[[Settings], Dependencies] = field(default=nothing_more)  # only under some settings
    files: Callable[[Settings], dict[str, Path]] = field(default=no_files)  # the user's, by settings key
    retries: int = 0  # after a transient failure

    def dependencies(self, settings: Settings) -> Dependencies:
        """All that counts under these settings."""
        more = self.more(settings)
        return Dependencies(
            modules=(self.module, *more.modules),
            settings=(*self.settings, *more.settings),
            libraries=tuple(sorted({*self.libraries, *more.libraries})),
        )

    def visible_settings(self, settings: Settings) -> Settings:
        """Only what the stage declares, so that nothing outside its fingerprint can change its result."""
        sections = {name: getattr(settings, name) for name in self.dependencies(settings).settings}
        return Settings(**sections, seed=settings.seed if self.seeded else 0)

    def fingerprint(self, run: Run, inputs: dict[str, str]) -> Fingerprint:
        """The fingerprint, given the digests of the inputs by stage name."""
        kinds = {self.kind.name: self.kind.version}
        kinds |= {stage.kind.name: stage.kind.version for stage in self.inputs}
        counts = self.dependencies(run.settings)
        return build_fingerprint(
            self.name,
            contracts=kinds,
            settings={name: getattr(run.settings, name) for name in counts.settings},
            files=digest_user_files(self.files(run.settings), run.store.root),
            inputs=inputs,
            seed=run.settings.seed if self.seeded else None,
            code={name: digest for module in counts.modules for name, digest in code_closure(module).items()},
            libraries=counts.libraries,
        )


def run_stage(stage: Stage, run: Run, inputs: dict[str, Reference]) -> tuple[Reference, Outcome]:
    """Give the stage's artifact, from the store where it is known and whole."""
    assert set(inputs) == {item.name for item in stage.inputs}, f"{stage.name} got the inputs {sorted(inputs)}"
    fingerprint = stage.fingerprint(run, {name: reference.digest for name, reference in inputs.items()})
    force = stage.name in run.recompute
    outcome = Outcome.CACHED
    reference = None if force else find_verified(run, stage.name, fingerprint)
    if reference is None:
        progress = listener.get().started(stage.name)
        scratch = run.store.root / "scratch" / f"{stage.name}-{fingerprint.digest[:16]}"
        waiting = lambda: progress.update(0, 1, "another run computes this stage; waiting for it")  # noqa: E731
        with exclusive(scratch.with_suffix(".lock"), on_wait=waiting):
            reference = None if force else find_verified(run, stage.name, fingerprint)
            if reference is None:
                outcome = Outcome.COMPUTED
                try:
                    reference = _compute(stage, run, inputs, fingerprint, scratch, progress)
                except RopewalkError as error:
                    error.kept = error.kept or _kept(run)
                    raise
    run.index.set_last(stage.name, fingerprint.digest)
    run.finish(stage.name, reference, outcome)
    return reference, outcome


def _kept(run: Run) -> str:
    """What a failing stage leaves, for errors that know only of themselves."""
    done = ", ".join(run.outcomes)
    return f"the artifacts of {done}; the next run begins after them" if done else "the store as it was"


def find_verified(run: Run, stage: str, fingerprint: Fingerprint) -> Reference | None:
    """The artifact known for a fingerprint; a damaged one is moved aside and counts as unknown."""
    record = run.index.find(stage, fingerprint.digest)
    if record is None:
        return None
    try:
        run.store.verify(record.artifact)
    except ArtifactError as error:
        aside = run.store.set_aside(record.artifact)
        logger.warning("%s %s is computed again. Damaged files: %s", error.what, stage, aside or "none")
        return None
    return record.artifact


def _compute(
    stage: Stage, run: Run, inputs: dict[str, Reference], fingerprint: Fingerprint, scratch: Path, progress: Progress
) -> Reference:
    started_at, meter, out = datetime.now(UTC), Meter(), scratch / "out"
    with full_disk_explained(scratch, kept="all published artifacts, and this stage's scratch files"):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        (scratch / "work").mkdir(exist_ok=True)
        stage.work(
            Work(
                settings=stage.visible_settings(run.settings),
                workers=run.settings.workers,
                inputs={name: run.store.path(reference) for name, reference in inputs.items()},
                manifests={name: run.store.manifest(reference) for name, reference in inputs.items()},
                out=out,
                scratch=scratch / "work",
                seed=derive_seed(run.settings.seed, stage.name),
                progress=progress,
                meter=meter,
                outcomes=dict(run.outcomes),
            )
        )
        check_artifact(stage.kind, out)
        provenance = Provenance(
            stage=stage.name,
            fingerprint=fingerprint.digest,
            components=fingerprint.components,
            inputs=inputs,
            cost=meter.cost(out),
            started_at=started_at,
            finished_at=datetime.now(UTC),
        )
        reference = run.store.publish(stage.kind, out, provenance)
        run.index.record(RunRecord(artifact=reference, provenance=provenance))
    shutil.rmtree(scratch, ignore_errors=True)
    run.store.remember(reference)
    return reference
