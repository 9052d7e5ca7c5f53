"""Folders of statements about images, as NLVR lays them out -> rows, images and faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lib.errors import SourceError
from lib.settings.images import StatementFolder
from lib.sources.files import Row, read_rows
from lib.sources.images.raw import BadImage, RawImage

SYNONYMS = {"statement": ("sentence", "caption"), "images": ("image", "files"), "holds": ("label", "truth")}
TRUTHS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


@dataclass(frozen=True)
class Statement:
    """What somebody wrote about some images, and whether it holds."""

    id: str
    benchmark: str
    statement: str
    images: tuple[str, ...]
    holds: bool
    file: str
    position: int


def read_statements(settings: StatementFolder) -> Iterator[Statement | RawImage | BadImage]:
    """Each statement after the images that it needs, which come once each.

    Raises SourceError where folder or file is missing.
    """
    path = settings.folder / settings.statements
    if not path.is_file():
        raise SourceError(
            "The file of statements does not exist.",
            where=str(path),
            next_step="correct the benchmark's folder, or name its file: `statements`",
        )
    seen: set[str] = set()
    needed = ("statement", "images", "holds")
    for row in read_rows(path, columns=("id", *needed), needed=needed, synonyms=SYNONYMS):
        reason = row.reason or _fault(row)
        if reason:
            yield BadImage(str(path), row.line, row.content[:500], reason)
            continue
        files = row.values["images"]
        ids = []
        for file in [files] if isinstance(files, str) else files:
            id = f"{settings.title}/{file}"
            ids.append(id)
            if id not in seen:
                seen.add(id)
                yield _read_image(settings, file, id, row.line)
        yield Statement(
            id=str(row.values.get("id") or row.line),
            benchmark=settings.title,
            statement=" ".join(str(row.values["statement"]).split()),
            images=tuple(ids),
            holds=TRUTHS[str(row.values["holds"]).lower()],
            file=str(path),
            position=row.line,
        )


def _fault(row: Row) -> str:
    files = row.values.get("images")
    if not str(row.values.get("statement") or "").strip():
        return "no statement"
    if not files or not (isinstance(files, str) or all(isinstance(file, str) for file in files)):
        return "no image"
    if str(row.values.get("holds")).lower() not in TRUTHS:
        return f"neither true nor false: {row.values.get('holds')!r}"
    return ""


def _read_image(settings: StatementFolder, file: str, id: str, line: int) -> RawImage | BadImage:
    path = settings.folder / file
    try:
        return RawImage(id, settings.title, file, (), path.read_bytes(), str(path), line)
    except OSError as error:
        return BadImage(str(path), line, file, f"the file cannot be read: {error.strerror or error}")
