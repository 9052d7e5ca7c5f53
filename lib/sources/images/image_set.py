"""The tables of an `images` artifact as objects: what is known of each image, and its pixels on demand."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from data_contracts.images import IMAGES
from lib.sources.images.raw import Attribute

COLUMNS = [name for name in IMAGES.schema.names if name not in ("content", "digest", "remarks")]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
MOST_DECODED = 512  # images whose pixels are kept: 3 MiB each at 1,024 x 1,024
MOST_GROUPS = 64  # row groups whose files are kept


@dataclass(frozen=True)
class Part:
    """What stands where in a composed scene."""

    image_id: str
    label: str
    colour: str
    box: Box


@dataclass(frozen=True)
class Picture:
    """An image without its pixels."""

    id: str
    collection: str
    labels: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    parts: tuple[Part, ...]
    split: str
    look: str
    width: int
    height: int

    @property
    def label(self) -> str:
        return self.labels[0]

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of an attribute."""
        return tuple(attribute.text for attribute in self.attributes if attribute.name == name)

    def number(self, name: str) -> float | None:
        """The only value of an attribute, where it is a number."""
        found = [attribute.number for attribute in self.attributes if attribute.name == name]
        return found[0] if len(found) == 1 else None

    def row(self, *, benchmark: str, digest: str, remarks: Iterable[str], content: bytes) -> dict[str, object]:
        """A row of data_contracts.images.IMAGES."""
        return asdict(self) | {
            "benchmark": benchmark,
            "digest": digest,
            "remarks": list(remarks),
            "content": content,
        }


class ImageStore:
    """Every image of an artifact. Files are read and decoded when they are asked for, and the latest are kept."""

    def __init__(self, folder: Path):
        self._file = pq.ParquetFile(folder / "images.parquet")
        rows = self._file.read(columns=COLUMNS).to_pylist()
        self._pictures = {row["id"]: _read_picture(row) for row in rows}
        self._benchmark = {row["id"]: row["benchmark"] for row in rows}
        sizes = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        places = [(group, place) for group, size in enumerate(sizes) for place in range(size)]
        self._place = dict(zip(self._pictures, places, strict=True))
        self._group = lru_cache(MOST_GROUPS)(self._read_group)
        self._decoded = lru_cache(MOST_DECODED)(self._decode)

    def __contains__(self, id: str) -> bool:
        return id in self._pictures

    def picture(self, id: str) -> Picture:
        return self._pictures[id]

    def pictures(self, *, benchmark: str = "") -> list[Picture]:
        """Those of a benchmark, or those that questions are made about."""
        return [picture for id, picture in self._pictures.items() if self._benchmark[id] == benchmark]

    def content(self, id: str) -> bytes:
        """The image's file."""
        group, place = self._place[id]
        return self._group(group)[place]

    def open(self, id: str, box: Box | None = None) -> Image.Image:
        """RGB pixels, or those inside a box."""
        image = self._decoded(id)
        return image if box is None else image.crop(box)

    def _read_group(self, group: int) -> list[bytes]:
        return self._file.read_row_group(group, columns=["content"])["content"].to_pylist()

    def _decode(self, id: str) -> Image.Image:
        with Image.open(io.BytesIO(self.content(id))) as opened:
            return opened.convert("RGB")


def _read_picture(row: Mapping) -> Picture:
    return Picture(
        id=row["id"],
        collection=row["collection"],
        labels=tuple(row["labels"]),
        attributes=tuple(Attribute(**attribute) for attribute in row["attributes"]),
        parts=tuple(Part(**part | {"box": tuple(part["box"])}) for part in row["parts"]),
        split=row["split"],
        look=row["look"],
        width=row["width"],
        height=row["height"],
    )


def open_images(folder: Path | None) -> Callable[[str, Box | None], Image.Image] | None:
    """How the images of an artifact are opened; None in a run without any."""
    return None if folder is None else ImageStore(folder).open
