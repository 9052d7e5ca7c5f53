"""How fast images are decoded and asked about, and what pictures cost an episode.

    python -m benchmarks.images [--checkpoint CHECKPOINT] [--episodes 32]

Decoding and questions are those of the embedded images. Episodes are one greedy turn of 32 tokens at most over 1, 4 and
8 pictures, each number in a process of its own, whose peak memory is told; CHECKPOINT is that of a model that takes
images, such as `.ropewalk/artifacts/alignment/*/checkpoint`; without it, only decoding and questions are measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lib.progress import Silent
from lib.settings.images import ImageSettings
from lib.settings.settings import Settings
from lib.settings.synthesis import SynthesisSettings
from lib.sources.images.collect import collect_images
from lib.sources.images.decode import decode
from lib.sources.images.image_set import ImageStore
from lib.synthesis.vision.synthesize import synthesize

REPOSITORY = Path(__file__).resolve().parents[1]
NUMBERS = (1, 4, 8)
QUESTIONS = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--episodes", type=int, default=32)
    parser.add_argument("--pictures", type=int, help=argparse.SUPPRESS)  # the inner process
    parser.add_argument("--images", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.pictures:
        print(json.dumps(play(chosen.checkpoint, chosen.images, chosen.pictures, chosen.episodes)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        started = time.perf_counter()
        collect_images(ImageSettings(), out=folder / "images", scratch=folder / "scratch", seed=0, progress=Silent())
        print(f"images collected and scenes composed in {time.perf_counter() - started:.1f} s")
        measure_decoding(ImageStore(folder / "images"))
        measure_questions(folder / "images")
        if chosen.checkpoint:
            measure_episodes(chosen.checkpoint, folder / "images", chosen.episodes)


def measure_decoding(store: ImageStore) -> None:
    """Each image once, from its file to upright RGB."""
    files = [store.content(picture.id) for picture in store.pictures()]
    started = time.perf_counter()
    pixels = sum(decode(data, most_pixels=10**8, longest_side=4096).opaque.size for data in files)
    seconds = time.perf_counter() - started
    print(f"{len(files):,} images decoded, {len(files) / seconds:,.0f} a second, {pixels / seconds / 1e6:.1f} MPixel/s")


def measure_questions(images: Path) -> None:
    settings = SynthesisSettings(domains=("vision",), num_questions=QUESTIONS)
    started = time.perf_counter()
    made = synthesize(settings, images=images, seed=0, progress=Silent(), scratch=images)
    seconds = time.perf_counter() - started
    print(f"{len(made.rows):,} questions in {seconds:.1f} s, {len(made.rows) / seconds:,.0f} a second")
    for row in filter(lambda row: row["count"], made.funnel.rows()):
        print(f"{row['filter']:22} {row['reason'] or 'went on':36} {row['count']:7,}")


def measure_episodes(checkpoint: Path, images: Path, episodes: int) -> None:
    print("| pictures | episodes/s | tokens an episode | peak memory, MiB |\n|---|---|---|---|")
    for number in NUMBERS:
        options = ["--checkpoint", checkpoint.absolute(), "--images", images, "--pictures", number]
        command = [sys.executable, "-m", "benchmarks.images", "--episodes", episodes, *options]
        done = subprocess.run(list(map(str, command)), cwd=REPOSITORY, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"| {number} | {found['rate']:.1f} | {found['tokens']:.0f} | {found['memory']:.0f} |", flush=True)


def play(checkpoint: Path, images: Path, number: int, episodes: int) -> dict[str, float]:
    """Episodes over so many pictures each."""
    import pyarrow as pa

    from data_contracts.questions import QUESTIONS as CONTRACT
    from lib.policy.engines import Engines
    from lib.rollout.attempt import attempt
    from lib.rollout.worlds import Sources

    ids = [picture.id for picture in ImageStore(images).pictures()]
    rows = [
        _question(place, [ids[(place * number + n) % len(ids)] for n in range(number)]) for place in range(episodes)
    ]
    settings = Settings.model_validate(
        {"engine": {"type": "transformers", "max_new_tokens": 32}, "environment": {"max_turns": 1}}
    )
    started = time.perf_counter()
    table = attempt(
        pa.Table.from_pylist(rows, schema=CONTRACT.schema),
        engines=Engines(settings.engine, logs=images),
        sources=Sources(images=images),
        checkpoint=checkpoint,
        policy="measured",
        benchmark="measured",
        settings=settings,
        seed=0,
        progress=Silent(),
    )
    seconds = max(table["seconds"].to_pylist())  # loading the model is no part of it
    assert seconds <= time.perf_counter() - started
    tokens = sum(len(row) for row in table["tokens"].to_pylist()) / episodes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rate": episodes / seconds, "tokens": tokens, "memory": peak}


def _question(place: int, images: list[str]) -> dict:
    return {
        "id": str(place),
        "domain": "vision",
        "prompt": "What do the pictures show?",
        "answer": "nothing",
        "aliases": [],
        "split": "test",
        "hops": 0,
        "difficulty": 0.5,
        "evidence": [],
        "images": images,
        "source_ids": images,
        "relations": [],
        "writer": "benchmark",
        "filters_passed": [],
        "seed": 0,
    }


if __name__ == "__main__":
    main()
