"""A folder of image files -> raw images: by its manifest, or each labelled by the folder that it lies in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lib.errors import SourceError
from lib.settings.images import ImageFolder
from lib.sources.files import SUFFIXES, Row, read_rows
from lib.sources.images.raw import Attribute, BadImage, RawImage

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".ico", ".tga")
SYNONYMS = {"label": ("name", "caption", "title"), "id": ("image_id",)}


def read_folder(settings: ImageFolder) -> Iterator[RawImage | BadImage]:
    """Every image, in the manifest's order or by name.

    Raises SourceError where there is no folder, no manifest of the name given, or no image in it.
    """
    folder = settings.folder
    if not folder.is_dir():
        raise SourceError(
            "The folder of images does not exist.",
            where=f"images.source.folder = {folder}",
            next_step="correct the path; `ropewalk plan` checks it without running anything",
        )
    if manifest := _find_manifest(settings):
        yield from _read_manifest(manifest, settings)
        return
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not files:
        raise SourceError(
            "The folder holds no image and no manifest.",
            where=str(folder),
            next_step=f"give files that end in {', '.join(IMAGE_SUFFIXES)}, or a manifest that names them",
        )
    for number, path in enumerate(files, start=1):
        name = path.relative_to(folder).with_suffix("").as_posix()
        label = path.parent.name if path.parent != folder else path.stem
        yield _read_file(path, f"{settings.title}/{name}", label, (), settings, str(path), number)


def _find_manifest(settings: ImageFolder) -> Path | None:
    if settings.manifest:
        path = settings.folder / settings.manifest
        if not path.is_file():
            raise SourceError(
                "The manifest does not exist.",
                where=str(path),
                next_step="correct images.source.manifest, or leave it out",
            )
        return path
    names = [f"manifest{suffix}" for suffix in SUFFIXES]
    return next((path for name in names if (path := settings.folder / name).is_file()), None)


def _read_manifest(manifest: Path, settings: ImageFolder) -> Iterator[RawImage | BadImage]:
    column = settings.file_column.lower()
    seen: set[str] = set()
    for row in read_rows(manifest, columns=(column, "label"), needed=(column,), further=("id",), synonyms=SYNONYMS):
        if row.reason:
            yield BadImage(str(manifest), row.line, row.content, row.reason)
            continue
        file = row.values.get(column)
        if not isinstance(file, str) or not file.strip():
            yield BadImage(str(manifest), row.line, row.content, f"no {settings.file_column}")
            continue
        id = f"{settings.title}/{row.values.get('id') or Path(file).with_suffix('').as_posix()}"
        if id in seen:
            yield BadImage(str(manifest), row.line, row.content, f"the id {id!r} is taken")
            continue
        seen.add(id)
        path = settings.folder / file
        if not path.resolve().is_relative_to(settings.folder.resolve()):
            yield BadImage(str(manifest), row.line, row.content, "the file lies outside the folder")
            continue
        label = str(row.values.get("label") or Path(file).stem)
        yield _read_file(path, id, label, _attributes(row, column), settings, str(manifest), row.line)


def _read_file(
    path: Path,
    id: str,
    label: str,
    attributes: tuple[Attribute, ...],
    settings: ImageFolder,
    source: str,
    position: int,
) -> RawImage | BadImage:
    try:
        data = path.read_bytes()
    except OSError as error:
        return BadImage(source, position, str(path), f"the file cannot be read: {error.strerror or error}")
    return RawImage(id, settings.title, label, attributes, data, str(path), position)


def _attributes(row: Row, file_column: str) -> tuple[Attribute, ...]:
    given = {name: value for name, value in row.values.items() if name not in (file_column, "label", "id")}
    return tuple(attribute for name, value in given.items() for attribute in Attribute.of(name, value))
