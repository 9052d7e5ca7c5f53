"""Where images come from: those that questions are made about, and those of benchmarks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.settings.section import Section

Collection = Literal["digits", "flags", "photographs", "pictograms"]


class EmbeddedImages(Section):
    """Images that data packages carry: handwritten digits, flags, pictograms, photographs."""

    type: Literal["embedded"] = "embedded"
    collections: tuple[Collection, ...] = ()
    """Those of them that are taken; empty means all."""


class ImageFolder(Section):
    """A folder of image files, with a manifest that names them, or with a folder for each label."""

    type: Literal["folder"]
    folder: Path
    manifest: str = ""
    """The file that lists them; without it, manifest.jsonl, .csv, .tsv or .parquet where there is one."""
    file_column: str = "file"
    """The manifest's column of paths below the folder; `label` and `id` are columns too, and all others attributes."""
    name: str = Field("", pattern=r"^[\w.-]*$")
    """How its images' ids begin; the folder's name without it."""

    @property
    def title(self) -> str:
        return self.name or self.folder.absolute().name


class ImageTables(Section):
    """Parquet files with the bytes of images, as data sets of the Hugging Face Hub have them."""

    type: Literal["parquet"]
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    image_column: str = "image"
    """The column of bytes, or of structs with `bytes`; `label` and `id` are columns too, all others attributes."""
    name: str = Field("table", pattern=r"^[\w.-]+$")
    """How its images' ids begin."""


class StatementFolder(Section):
    """A folder with statements about images and whether they hold, as NLVR has them."""

    type: Literal["statements"] = "statements"
    folder: Path
    statements: str = "statements.jsonl"
    """The file of statements, with the columns `id`, `image` or `images`, `sentence` and `label`."""
    name: str = Field("", pattern=r"^[\w.-]*$")
    """How scores call it; the folder's name without it."""

    @property
    def title(self) -> str:
        return self.name or self.folder.absolute().name


class SceneSettings(Section):
    """Scenes that are composed of a source's images, so that what stands where is known."""

    number: int = Field(1200, ge=0)
    """Scenes over all splits; each is made of images of its own split."""
    side: int = Field(192, ge=48, le=2048)
    """Width and height in pixels."""
    most_parts: int = Field(4, ge=2, le=12)
    """Most images that stand in a scene."""
    small_share: float = Field(0.3, ge=0, le=1)
    """Share of the scenes whose parts are small, so that they are told apart at full resolution only."""
    twin_share: float = Field(0.3, ge=0, le=1)
    """Share of the scenes that come with a twin, in which one part is another."""
    collections: tuple[str, ...] = ("digits",)
    """What stands in scenes; those that the source does not have are left out."""

    @property
    def cells(self) -> int:
        """Along a side of the grid in which a scene's parts stand."""
        return math.isqrt(self.most_parts - 1) + 1


class ImageSettings(Section):
    source: Annotated[EmbeddedImages | ImageFolder | ImageTables, Field(discriminator="type")] = EmbeddedImages()
    """What questions are made about and trained on."""
    scenes: SceneSettings = SceneSettings()
    benchmarks: tuple[StatementFolder, ...] = ()
    """Folders whose statements every policy is tried on, and nobody trains on."""
    most_pixels: int = Field(50_000_000, ge=1)
    """An image that would decode to more is refused before it is decoded."""
    longest_side: int = Field(1024, ge=16)
    """In pixels; larger images are made smaller on the way in."""
    validation_share: float = Field(0.1, gt=0, lt=1)
    """Share of the images whose questions are for validation."""
    test_share: float = Field(0.25, gt=0, lt=1)
    """Share of the images whose questions are held out."""

    @model_validator(mode="after")
    def splits_leave_room_for_training(self) -> ImageSettings:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share + test_share must stay below 1, since training needs images too")
        return self

    @model_validator(mode="after")
    def benchmarks_have_names_of_their_own(self) -> ImageSettings:
        titles = [benchmark.title for benchmark in self.benchmarks]
        if len(set(titles)) < len(titles):
            raise ValueError("benchmarks must have different names, since scores are told apart by them: set `name`")
        return self
