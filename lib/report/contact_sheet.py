"""Questions over images with their pictures, small enough to read many at a glance.

In: the run's database and the folder of its images. Out: for each question its words, its answer and its pictures as
data addresses.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import duckdb
from PIL import Image

from lib.sources.images.decode import as_png
from lib.sources.images.image_set import ImageStore

SHOWN = 20  # questions
SIDE = 112  # pixels of the longer side of a picture
CHOSEN = f"""
    SELECT prompt, answer, level, split, images, 
        [regexp_replace(step.fact, '^Picture \\d+: ', '') for step in evidence if step.page_id <> ''] AS notes
    FROM questions WHERE domain = 'vision' AND writer <> 'people' ORDER BY hash(id) LIMIT {SHOWN}
"""


@dataclass(frozen=True)
class Exhibit:
    """One question."""

    prompt: str
    answer: str
    kind: str
    split: str
    pictures: list[tuple[str, str]]  # (data address, what is noted of it)


def choose_exhibits(connection: duckdb.DuckDBPyConnection, images: Path | None) -> list[Exhibit]:
    """Some questions by the hash of their ids; none in a run without images."""
    if images is None:
        return []
    store = ImageStore(images)
    exhibits = []
    for prompt, answer, kind, split, ids, notes in connection.sql(CHOSEN).fetchall():
        notes = notes or [""] * len(ids)
        pictures = [(_address(store.open(id)), note) for id, note in zip(ids, notes, strict=True) if id in store]
        exhibits.append(Exhibit(prompt, answer, kind, split, pictures))
    return exhibits


def _address(image: Image.Image) -> str:
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    how = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    return f"data:image/png;base64,{base64.b64encode(as_png(image.resize(size, how))).decode()}"
