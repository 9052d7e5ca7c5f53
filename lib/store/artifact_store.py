"""Artifacts on disk: published once, verified before use, never changed.

In: a finished directory and where it comes from. Out: a reference. `artifacts/<kind>/<digest>/`
appears by one rename of a directory that already holds its manifest, so that many processes
publish without a lock and a crash leaves nothing that looks finished. This file knows nothing of
stages.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import ValidationError

from data_contracts.contract import ArtifactKind
from lib.errors import ArtifactError
from lib.store.atomic_write import sync, write_atomically
from lib.store.content_digest import describe_files, digest_files, list_files
from lib.store.full_disk import lost_disk_explained
from lib.store.hash_memo import SETTLED_NS, HashMemo, stamp_of
from lib.store.manifest import FORMAT, MANIFEST, Manifest, Provenance, Reference

logger = logging.getLogger("ropewalk.store")


class ArtifactStore:
    """The artifacts below one root directory."""

    def __init__(self, root: Path):
        self.root = root.absolute()
        self._artifacts = self.root / "artifacts"

    def path(self, reference: Reference) -> Path:
        """Where the artifact's files are; whole if the directory exists."""
        return self._artifacts / reference.kind / reference.digest

    def memo_path(self, reference: Reference) -> Path:
        """Where it stands which files have been verified."""
        return self.root / "verified" / f"{reference.kind}-{reference.digest}.json"

    def publish(self, kind: ArtifactKind, directory: Path, provenance: Provenance) -> Reference:
        """Move a finished directory into the store; what is already there under its digest stays.

        Raises ArtifactError when the disk is full; the directory is then still where it was.
        """
        time.sleep(SETTLED_NS / 1e9)  # a file that is hashed now and changed later gets another time stamp
        with lost_disk_explained(directory, kept="all published artifacts"):
            manifest = self._describe(kind, directory, provenance)
            for path in list_files(directory):
                sync(path)
            write_atomically(directory / MANIFEST, manifest.model_dump_json(indent=1))
            self._move_in(directory, manifest.reference)
        return manifest.reference

    def remember(self, reference: Reference) -> None:
        """Note the hashes of the publication, so that the next run need not read gigabytes again to verify them.

        For a stage that has just published, once its scratch files are gone: dropping a hard link counts as touching
        a file. Only files that were last written before the stage had finished are noted.
        """
        manifest, memo = self.manifest(reference), self._memo(reference)
        finished = manifest.provenance.finished_at.timestamp() * 1e9
        time.sleep(SETTLED_NS / 1e9)
        with suppress(FileNotFoundError):  # another run has found it damaged and moved it aside
            for entry in manifest.files:
                path = self.path(reference) / entry.path
                stamp = stamp_of(path)
                if stamp[0] == entry.size and stamp[1] < finished:
                    memo.remember(path, entry.sha256, stamp=stamp)
        memo.save()

    def manifest(self, reference: Reference) -> Manifest:
        """Read the manifest; raises ArtifactError where it is missing, unreadable or of another format."""
        path = self.path(reference) / MANIFEST
        try:
            text = path.read_bytes()
            manifest = Manifest.model_validate_json(text)
        except FileNotFoundError as error:
            raise self._unusable(reference, "its manifest is missing", path) from error
        except OSError as error:
            raise self._unusable(reference, f"its manifest cannot be read ({error.strerror})", path) from error
        except ValidationError as error:
            raise self._unusable(reference, _fault_of_manifest(text), path) from error
        if manifest.format != FORMAT:
            raise self._unusable(reference, _fault_of_manifest(text), path)
        if manifest.reference != reference:
            raise self._unusable(reference, f"its manifest is that of {manifest.reference}", path)
        return manifest

    def verify(self, reference: Reference) -> Manifest:
        """Compare every file with the manifest; raises ArtifactError that names the first bad file."""
        manifest = self.manifest(reference)
        directory = self.path(reference)
        memo = self._memo(reference)
        for entry in manifest.files:
            path = directory / entry.path
            if not path.is_file():
                raise self._unusable(reference, f"the file {entry.path} is missing", path)
            size = path.stat().st_size
            if size != entry.size:
                raise self._unusable(reference, f"{entry.path} has {size:,} bytes instead of {entry.size:,}", path)
            try:
                is_same = memo.digest(path) == entry.sha256
            except OSError as error:
                raise self._unusable(reference, f"{entry.path} cannot be read ({error.strerror})", path) from error
            if not is_same:
                raise self._unusable(reference, f"the bytes of {entry.path} have changed", path)
        memo.save()
        return manifest

    def set_aside(self, reference: Reference) -> Path | None:
        """Move a damaged artifact out of the way, so that it can be made again; return where it is now."""
        aside = self.root / "damaged" / reference.kind / f"{reference.short}-{uuid.uuid4().hex[:8]}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(self.path(reference), aside)
        except FileNotFoundError:
            return None
        return aside

    def list(self) -> list[Manifest]:
        """All readable manifests, oldest first; unreadable ones are logged."""
        manifests = []
        for path in sorted(self._artifacts.glob(f"*/*/{MANIFEST}")):
            try:
                manifests.append(self.manifest(Reference(kind=path.parts[-3], digest=path.parts[-2])))
            except ArtifactError as error:
                logger.warning("%s", error)
        return sorted(manifests, key=lambda manifest: (manifest.provenance.finished_at, manifest.digest))

    def find(self, prefix: str) -> Reference:
        """The one artifact whose digest starts with `prefix`; `kind/prefix` and paths narrow it to a kind."""
        kind, _, start = prefix.rstrip("/").rpartition("/")
        kind = kind.rpartition("/")[2]
        found = [
            Reference(kind=path.parts[-3], digest=path.parts[-2])
            for path in sorted(self._artifacts.glob(f"*/*/{MANIFEST}"))
            if start and path.parts[-2].startswith(start) and kind in ("", path.parts[-3])
        ]
        if len(found) == 1:
            return found[0]
        problem = f"{len(found)} artifacts have" if found else "No artifact has"
        raise ArtifactError(
            f"{problem} a digest that starts with {start!r}.",
            where=", ".join(map(str, found)) or str(self._artifacts),
            next_step="give more characters" if found else "list them with `ropewalk artifacts`",
        )

    def _memo(self, reference: Reference) -> HashMemo:
        return HashMemo(self.memo_path(reference))

    def _describe(self, kind: ArtifactKind, directory: Path, provenance: Provenance) -> Manifest:
        entries = describe_files(directory)
        if not entries:
            raise ArtifactError(f"The stage {provenance.stage} wrote no files.", where=str(directory))
        return Manifest(
            kind=kind.name,
            contracts=kind.version,
            digest=digest_files(kind.name, entries),
            rows={path.stem: pq.read_metadata(path).num_rows for path in sorted(directory.glob("*.parquet"))},
            size=sum(entry.size for entry in entries),
            files=entries,
            provenance=provenance,
        )

    def _move_in(self, directory: Path, reference: Reference) -> None:
        target = self.path(reference)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(directory, target)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise ArtifactError(
                    "The store lies on two file systems, so that artifacts cannot be moved into place at once.",
                    where=f"{directory} and {target.parent}",
                    kept="the finished files, where they are",
                    next_step=f"link or mount {self.root} as a whole instead of folders in it, then run again",
                ) from error
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            self._keep_or_replace(directory, reference)
        sync(target.parent)

    def _keep_or_replace(self, directory: Path, reference: Reference) -> None:
        """The digest is taken: by the same content, or by something damaged."""
        try:
            self.verify(reference)
        except ArtifactError as error:
            logger.warning("%s", error)
            self.set_aside(reference)
            os.rename(directory, self.path(reference))
        else:
            shutil.rmtree(directory)

    def _unusable(self, reference: Reference, reason: str, path: Path) -> ArtifactError:
        return ArtifactError(
            f"The artifact {reference} cannot be used: {reason}.",
            where=str(path),
            kept="all other artifacts",
            next_step="`ropewalk run` with the settings that made it makes it again; damaged files are set aside",
        )


def _fault_of_manifest(text: bytes) -> str:
    """Why a manifest that is no manifest of this format is none."""
    try:
        format_ = json.loads(text)["format"]
    except (ValueError, LookupError, TypeError):
        return "its manifest is broken"
    if format_ == FORMAT:
        return "its manifest is broken"
    return f"its manifest has format {format_}, and this version of Ropewalk reads format {FORMAT}"
