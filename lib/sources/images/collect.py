"""Settings -> the tables of an `images` artifact.

Every image is decoded once, and its file waits in the scratch folder until the tables are written, so that memory
does not grow with the source. One picture that comes under several names becomes one row with all of them, which keeps
only what they agree on, so that no question tells apart what cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from data_contracts.graph import REJECTED_ROWS
from data_contracts.images import IMAGE_STATEMENTS, IMAGES, ROW_GROUP
from lib.errors import SourceError
from lib.progress import Progress
from lib.seeds import derive_seed
from lib.settings.images import EmbeddedImages, ImageFolder, ImageSettings
from lib.sources.images.colours import Colours, colours_of
from lib.sources.images.decode import Decoded, ImageFault, as_png, decode, digest_of, look_of
from lib.sources.images.embedded.build import read_embedded
from lib.sources.images.folder import read_folder
from lib.sources.images.image_set import Picture
from lib.sources.images.raw import Attribute, BadImage, RawImage
from lib.sources.images.scenes import COLLECTION, Scene, draw_scene, plan_scenes
from lib.sources.images.splits import split_looks
from lib.sources.images.statements import Statement, read_statements
from lib.sources.images.table import read_tables

# Of digits and photographs, colours are those of paper and light.
COLOURLESS = ("digits", "photographs")
TRACE = "trace"  # the attribute for colours of which an image shows too little to say that it has them or not
TOLD_EVERY = 50


class _Named(Protocol):
    file: str
    position: int


@dataclass
class _Kept:
    """An image that came through, with all names of its pixels."""

    id: str
    collection: str
    benchmark: str
    file: Path  # in the scratch folder
    width: int
    height: int
    digest: str
    look: str
    remarks: tuple[str, ...]
    colours: Colours
    names: list[tuple[str, tuple[Attribute, ...]]]  # labels, with what is said under each

    def attributes(self) -> tuple[Attribute, ...]:
        """What all names agree on, and the colours."""
        said = [attributes for _, attributes in self.names]
        agreed = [attribute for attribute in said[0] if all(attribute in other for other in said)]
        if self.collection in COLOURLESS:
            return agreed
        seen, traces = self.colours.seen, self.colours.traces
        return (*agreed, *(Attribute("colour", name) for name in seen), *(Attribute(TRACE, name) for name in traces))


@dataclass
class _Collected:
    """What has been read so far."""

    files: Path
    kept: dict[str, _Kept] = field(default_factory=dict)  # by benchmark and digest
    ids: dict[str, str] = field(default_factory=dict)  # of every name -> of the row that has its pixels
    statements: list[Statement] = field(default_factory=list)
    rejected: list[dict] = field(default_factory=list)

    def reject(self, item: _Named, content: str, reason: str) -> None:
        self.rejected.append({"file": item.file, "line": item.position, "content": content, "reason": reason})


def collect_images(settings: ImageSettings, *, out: Path, scratch: Path, seed: int, progress: Progress) -> None:
    """Write the tables of the kind ``images`` into ``out``.

    Raises SourceError for a folder or table that cannot be read and where there is no image at all.
    """
    collected = _Collected(scratch / "images")
    collected.files.mkdir(parents=True, exist_ok=True)
    _take_in(_read_source(settings), settings, collected, progress)
    if not collected.kept:
        first = f"the first: {collected.rejected[0]['reason']}" if collected.rejected else "the source is empty"
        raise SourceError(
            f"None of the source's images can be used; {first}.",
            where=collected.rejected[0]["file"] if collected.rejected else "section [images] of the settings",
            next_step="mend the files, or raise images.most_pixels where they are too large",
        )
    for benchmark in settings.benchmarks:
        _take_in(read_statements(benchmark), settings, collected, progress, benchmark=benchmark.title)
    pictures = _pictures(collected, settings, seed)
    num_rows = _write_images(
        chain(_image_rows(pictures, collected), _scene_rows(pictures, collected, settings, seed, progress)), out
    )
    _write_rest(collected, out)
    told = f"{len(pictures):,} images, {num_rows - len(pictures):,} scenes"
    told += f", {len(collected.statements):,} statements" * bool(collected.statements)
    progress.update(num_rows, num_rows, told + f", {len(collected.rejected):,} set aside" * bool(collected.rejected))


def _read_source(settings: ImageSettings) -> Iterator[RawImage | BadImage]:
    source = settings.source
    if isinstance(source, EmbeddedImages):
        return read_embedded(source.collections)
    return read_folder(source) if isinstance(source, ImageFolder) else read_tables(source)


def _take_in(
    items: Iterable[RawImage | BadImage | Statement],
    settings: ImageSettings,
    collected: _Collected,
    progress: Progress,
    *,
    benchmark: str = "",
) -> None:
    for number, item in enumerate(items, start=1):
        if isinstance(item, BadImage):
            collected.reject(item, item.content, item.reason)
        elif isinstance(item, Statement):
            _take_statement(item, collected)
        else:
            _take_image(item, settings, collected, benchmark)
        if number % TOLD_EVERY == 0:
            progress.update(number, number + TOLD_EVERY, f"{len(collected.kept):,} images")


def _take_image(raw: RawImage, settings: ImageSettings, collected: _Collected, benchmark: str) -> None:
    try:
        decoded = decode(raw.data, most_pixels=settings.most_pixels, longest_side=settings.longest_side)
    except ImageFault as fault:
        collected.reject(raw, raw.id, str(fault))
        return
    digest = digest_of(decoded.image)
    kept = collected.kept.get(benchmark + digest)
    if kept is None:
        kept = collected.kept[benchmark + digest] = _keep(raw, decoded, digest, benchmark, collected.files)
    else:
        kept.names.append((raw.label, raw.attributes))
    collected.ids[raw.id] = kept.id


def _keep(raw: RawImage, decoded: Decoded, digest: str, benchmark: str, files: Path) -> _Kept:
    file = files / digest
    file.write_bytes(raw.data if decoded.is_as_filed else as_png(decoded.image))
    return _Kept(
        id=raw.id,
        collection=raw.collection,
        benchmark=benchmark,
        file=file,
        width=decoded.image.width,
        height=decoded.image.height,
        digest=digest,
        look=look_of(decoded.image),
        remarks=decoded.remarks,
        colours=colours_of(decoded.image, decoded.opaque),
        names=[(raw.label, raw.attributes)],
    )


def _take_statement(item: Statement, collected: _Collected) -> None:
    missing = [id for id in item.images if id not in collected.ids]
    if missing:
        collected.reject(item, item.statement, f"its image cannot be used: {missing[0]}")
    else:
        collected.statements.append(replace(item, images=tuple(collected.ids[id] for id in item.images)))


def _pictures(collected: _Collected, settings: ImageSettings, seed: int) -> list[tuple[Picture, _Kept]]:
    """With the splits; images of benchmarks are held out."""
    own = [kept for kept in collected.kept.values() if not kept.benchmark]
    splits = split_looks(
        [(kept.collection, kept.look) for kept in own],
        validation_share=settings.validation_share,
        test_share=settings.test_share,
        seed=seed,
    )
    return [
        (
            Picture(
                id=kept.id,
                collection=kept.collection,
                labels=tuple(dict.fromkeys(label for label, _ in kept.names)),
                attributes=kept.attributes(),
                parts=(),
                split="test" if kept.benchmark else splits[kept.look],
                look=kept.look,
                width=kept.width,
                height=kept.height,
            ),
            kept,
        )
        for kept in collected.kept.values()
    ]


def _image_rows(pictures: list[tuple[Picture, _Kept]], collected: _Collected) -> Iterator[dict]:
    for picture, kept in pictures:
        yield picture.row(
            benchmark=kept.benchmark, digest=kept.digest, remarks=kept.remarks, content=kept.file.read_bytes()
        )


def _scene_rows(
    pictures: list[tuple[Picture, _Kept]],
    collected: _Collected,
    settings: ImageSettings,
    seed: int,
    progress: Progress,
) -> Iterator[dict]:
    """Scenes of each split, made of that split's images."""
    wanted, files = settings.scenes, {picture.id: kept.file for picture, kept in pictures}
    parts = [picture for picture, _ in pictures if picture.collection in wanted.collections]
    shares = {"test": settings.test_share, "validation": settings.validation_share}
    shares["train"] = 1 - sum(shares.values())
    number = 0
    for split, share in shares.items():
        own = [picture for picture in parts if picture.split == split]
        scenes = plan_scenes(
            own, round(wanted.number * share), wanted, name=split, seed=derive_seed(seed, "scenes", split)
        )
        for scene in scenes:
            image = draw_scene(scene, wanted.side, lambda id: Image.open(files[id]).convert("RGB"))
            yield _scene_row(scene, image, split)
            number += 1
            if number % TOLD_EVERY == 0:
                progress.update(number, wanted.number, "scenes")


def _scene_row(scene: Scene, image: Image.Image, split: str) -> dict:
    attributes = [Attribute("size", "small" if scene.small else "large")]
    if scene.twin_of:
        attributes.append(Attribute("twin", f"{COLLECTION}/{scene.twin_of}"))
    digest = digest_of(image)
    picture = Picture(
        id=f"{COLLECTION}/{scene.name}",
        collection=COLLECTION,
        labels=(f"{len(scene.parts)} parts",),
        attributes=tuple(attributes),
        parts=scene.parts,
        split=split,
        look=digest[:16],
        width=image.width,
        height=image.height,
    )
    return picture.row(benchmark="", digest=digest, remarks=(), content=as_png(image))


def _write_images(rows: Iterable[dict], out: Path) -> int:
    """A row group at a time, so that one image can be read without the others; returns how many rows there are."""
    number = 0
    with pq.ParquetWriter(out / "images.parquet", IMAGES.schema) as writer:
        waiting = iter(rows)
        while group := list(islice(waiting, ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=IMAGES.schema))
            number += len(group)
    return number


def _write_rest(collected: _Collected, out: Path) -> None:
    statements = [
        {name: getattr(item, name) for name in ("id", "benchmark", "statement", "holds")}
        | {"images": list(item.images), "level": None}
        for item in collected.statements
    ]
    for contract, rows in ((IMAGE_STATEMENTS, statements), (REJECTED_ROWS, collected.rejected)):
        pq.write_table(pa.Table.from_pylist(rows, schema=contract.schema), out / f"{contract.name}.parquet")
