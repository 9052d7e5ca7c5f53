"""Artifacts that stand in for those of stages: what a user names, found in the store.

In: a stage, or the kind of artifact that it gives, and what to take: the beginning of a digest, `latest`
or `imported`. Out: references by stage name. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flows.stages import STAGES, find_stage
from lib.errors import ArtifactError, SettingsError
from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import IMPORT, Reference
from lib.store.run_index import RunIndex
from tasks.stage import Stage

LATEST, IMPORTED = "latest", "imported"


def split_given(texts: Iterable[str]) -> dict[str, str]:
    """`STAGE=ARTIFACT` as a mapping; raises SettingsError for anything else."""
    pairs = {}
    for text in texts:
        name, found, what = text.partition("=")
        if not (found and name.strip() and what.strip()):
            raise SettingsError(
                f"--use {text!r} does not say what to use for which stage.",
                next_step="write --use STAGE=ARTIFACT, for instance --use questions=imported",
            )
        pairs[name.strip()] = what.strip()
    return pairs


def resolve_given(given: Mapping[str, str], store: ArtifactStore) -> dict[str, Reference]:
    """References by stage name; each is verified, of the stage's kind and of today's contract."""
    references = {}
    for name, what in given.items():
        stage = _stage_that_gives(name)
        if stage.name in references:
            raise SettingsError(f"--use names {stage.name} twice.", next_step="leave one of them out")
        references[stage.name] = _find(stage, what, store)
        _check(stage, references[stage.name], store)
    return references


def _stage_that_gives(name: str) -> Stage:
    by_kind = [stage for stage in STAGES if stage.kind.name == name]
    return by_kind[0] if len(by_kind) == 1 else find_stage(name)


def _find(stage: Stage, what: str, store: ArtifactStore) -> Reference:
    if what == IMPORTED:
        record = RunIndex(store).latest_kept(IMPORT, stage.kind.name)
        missing = f"Nothing of the kind {stage.kind.name} has been imported."
        mend = f"run `ropewalk import {stage.kind.name} FILE`"
    elif what == LATEST:
        record = RunIndex(store).latest_kept(stage.name)
        missing, mend = f"The store has no artifact of {stage.name}.", "list what it has with `ropewalk artifacts`"
    else:
        return store.find(what)
    if record is None:
        raise ArtifactError(missing, where=str(store.root), next_step=mend)
    return record.artifact


def _check(stage: Stage, reference: Reference, store: ArtifactStore) -> None:
    if reference.kind != stage.kind.name:
        raise ArtifactError(
            f"{stage.name} gives {stage.kind.name}, and {reference} is of another kind.",
            where=str(store.path(reference)),
            next_step=f"name an artifact of the kind {stage.kind.name}; `ropewalk artifacts` lists them",
        )
    manifest = store.verify(reference)
    if manifest.contracts != stage.kind.version:
        raise ArtifactError(
            f"{reference} was written under another contract ({manifest.contracts}) than today's "
            f"({stage.kind.version}).",
            where=str(store.path(reference)),
            next_step="import or compute it again with this version",
        )
