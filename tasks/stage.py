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
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data_contracts.contract import ArtifactKind
from lib.errors import ArtifactError, OutOfMemoryError, RopewalkError, SettingsError
from lib.progress import Progress
from lib.seeds import derive_seed
from lib.settings.learning import WorkerSettings
from lib.settings.settings import Settings
from lib.settings.synthesis import Domain
from lib.store.code_closure import code_closure
from lib.store.fingerprint import Fingerprint, build_fingerprint
from lib.store.full_disk import lost_disk_explained
from lib.store.locks import Holder, Told, exclusive
from lib.store.manifest import Manifest, Provenance, Reference, RunRecord
from lib.store.origin import describe_origin
from tasks.check_artifact import check_artifact
from tasks.less_memory import halve_what_is_held, tell_less
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
    origins: dict[str, str]  # in words, of artifacts that were given in place of a stage's own


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
    inputs: tuple[Stage, ...] = ()  # those of domains that a run does not have are left out
    settings: tuple[str, ...] = ()  # sections that the result depends on
    libraries: tuple[str, ...] = ()  # distributions that change its numbers
    seeded: bool = True
    more: Callable[[Settings], Dependencies] = field(default=nothing_more)  # only under some settings
    files: Callable[[Settings], dict[str, Path]] = field(default=no_files)  # the user's, by settings key
    heavy: bool = False  # worth a machine with an accelerator: dispatched where there is one
    domain: Domain | None = None  # what it is for; runs that make no questions of that domain leave it out

    def is_wanted(self, settings: Settings) -> bool:
        """Whether a run under these settings has the stage at all."""
        return self.domain is None or self.domain in settings.synthesis.domains

    def require_wanted(self, settings: Settings) -> None:
        """Raises SettingsError for a stage of a domain that the run makes no questions of."""
        if not self.is_wanted(settings):
            raise SettingsError(
                f"The run has no stage {self.name}: it is for the domain {self.domain!r}, and the run makes questions "
                f"of {', '.join(settings.synthesis.domains)}.",
                where="synthesis.domains",
                next_step=f"add --domains {self.domain}, or leave {self.name} out",
            )

    def inputs_under(self, settings: Settings) -> tuple[Stage, ...]:
        """The inputs that a run under these settings has."""
        return tuple(item for item in self.inputs if item.is_wanted(settings))

    @property
    def ancestors(self) -> frozenset[str]:
        """Names of all stages that it is made from, directly or not."""
        return frozenset(name for item in self.inputs for name in (item.name, *item.ancestors))

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
        kinds |= {stage.kind.name: stage.kind.version for stage in self.inputs_under(run.settings)}
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
    assert set(inputs) == {item.name for item in stage.inputs_under(run.settings)}, (
        f"{stage.name} got the inputs {sorted(inputs)}"
    )
    if stage.name in run.given:
        return _take_given(stage, run), Outcome.GIVEN
    fingerprint = stage.fingerprint(run, {name: reference.digest for name, reference in inputs.items()})
    force = run.must_recompute(stage.name, fingerprint.digest)
    outcome = Outcome.CACHED
    hold(run, inputs)
    reference = None if force else find_verified(run, stage.name, fingerprint)
    if reference is None:
        progress = listener.get().started(stage.name)
        scratch = run.store.root / "scratch" / f"{stage.name}-{fingerprint.digest[:16]}"
        with (
            lost_disk_explained(scratch, kept="all published artifacts, and this stage's scratch files"),
            exclusive(scratch.with_suffix(".lock"), run=run.name, on_wait=_tell_waiting(stage.name, progress)),
        ):
            reference = None if force else find_verified(run, stage.name, fingerprint)
            if reference is None:
                outcome = Outcome.COMPUTED
                try:
                    reference = _compute(stage, run, inputs, fingerprint, scratch, progress)
                except RopewalkError as error:
                    error.kept = error.kept or _kept(run)
                    if isinstance(error, OutOfMemoryError):
                        error.had_less = stage.name in run.short_of_memory
                        run.short_of_memory.add(stage.name)
                    raise
    run.index.set_last(stage.name, fingerprint.digest)
    run.finish(stage.name, reference, outcome)
    return reference, outcome


def _after_the_last(run: Run, stage: str) -> datetime:
    """Now, or, where the clock was set back, just after the stage's last run: the order of runs stays true."""
    now, last = datetime.now(UTC), run.index.latest(stage)
    return now if last is None else max(now, last.provenance.finished_at + timedelta(microseconds=1))


def _kept(run: Run) -> str:
    """What a failing stage leaves, for errors that know only of themselves."""
    done = ", ".join(run.outcomes)
    return f"the artifacts of {done}; the next run begins after them" if done else "the store as it was"


def find_verified(run: Run, stage: str, fingerprint: Fingerprint) -> Reference | None:
    """The artifact known for a fingerprint, held from now on.

    One that was removed counts as unknown, and so does a damaged one, which is moved aside.
    """
    with run.holds.steady():
        record = run.index.find(stage, fingerprint.digest)
        if record is None or not run.store.path(record.artifact).exists():
            return None
        try:
            run.store.verify(record.artifact)
        except ArtifactError as error:
            aside = run.store.set_aside(record.artifact)
            logger.warning("%s %s is computed again. Damaged files: %s", error.what, stage, aside or "none")
            return None
        run.holds.add(record.artifact)
        return record.artifact


def _take_given(stage: Stage, run: Run) -> Reference:
    """The artifact that was named in place of the stage's own; raises ArtifactError where it is damaged."""
    reference = run.given[stage.name]
    hold(run, {stage.name: reference})
    run.store.verify(reference)
    run.finish(stage.name, reference, Outcome.GIVEN)
    return reference


def hold(run: Run, inputs: dict[str, Reference]) -> None:
    """Hold what an earlier stage of this run, or somebody before it, has found; raises ArtifactError if it is gone."""
    if all(reference in run.holds for reference in inputs.values()):
        return
    with run.holds.steady():
        for reference in inputs.values():
            run.store.manifest(reference)
            run.holds.add(reference)


def _tell_waiting(stage: str, progress: Progress) -> Told:
    def tell(holder: Holder | None) -> None:
        whom = str(holder or "another run")
        logger.warning("%s waits for %s, which computes the same artifact.", stage, whom)
        progress.update(0, 1, f"waits for {whom}, which computes it")

    return tell


def _compute(
    stage: Stage, run: Run, inputs: dict[str, Reference], fingerprint: Fingerprint, scratch: Path, progress: Progress
) -> Reference:
    started_at, meter, out = datetime.now(UTC), Meter(), scratch / "out"
    settings, notes = run.settings, ()
    if stage.name in run.short_of_memory:
        settings = halve_what_is_held(settings)
        notes = (tell_less(settings),)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (scratch / "work").mkdir(exist_ok=True)
    stage.work(
        Work(
            settings=stage.visible_settings(settings),
            workers=settings.workers,
            inputs={name: run.store.path(reference) for name, reference in inputs.items()},
            manifests={name: run.store.manifest(reference) for name, reference in inputs.items()},
            out=out,
            scratch=scratch / "work",
            seed=derive_seed(run.settings.seed, stage.name),
            progress=progress,
            meter=meter,
            outcomes=dict(run.outcomes),
            origins={name: describe_origin(run.store, given) for name, given in run.given.items()},
        )
    )
    check_artifact(stage.kind, out)
    provenance = Provenance(
        stage=stage.name,
        fingerprint=fingerprint.digest,
        components=fingerprint.components,
        inputs=inputs,
        origins={key: str(path.absolute()) for key, path in stage.files(run.settings).items()},
        notes=notes,
        run=run.flow_run,
        cost=meter.cost(out),
        started_at=started_at,
        finished_at=_after_the_last(run, stage.name),
    )
    with run.holds.steady():
        reference = run.store.publish(stage.kind, out, provenance)
        run.holds.add(reference)
        run.index.record(RunRecord(artifact=reference, provenance=provenance))
    shutil.rmtree(scratch, ignore_errors=True)
    run.store.remember(reference)
    return reference
