"""Images -> questions over several of them, and the funnel that they came through.

In: an `images` artifact and settings. Out: rows of the questions table. The roles are the collector (draw), the
questioner (tell), the solver and the checker; offline all of them go by what is known of the images.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from lib.errors import SynthesisError
from lib.progress import Progress
from lib.seeds import derive_seed
from lib.settings.synthesis import SynthesisSettings
from lib.sources.images.image_set import ImageStore, Picture
from lib.synthesis.filters.difficulty import within_successes
from lib.synthesis.funnel import Funnel
from lib.synthesis.judge import Exercise, Judge
from lib.synthesis.question_set import Made, wanted_by_split
from lib.synthesis.vision.asks import Ask
from lib.synthesis.vision.checks import Checker
from lib.synthesis.vision.draw import Drawer
from lib.synthesis.vision.windows import window_of

logger = logging.getLogger("ropewalk.synthesis")

FILTERS = ("drawn", "one answer", "every picture matters", "no guessing", "duplicates")
DRAWS_PER_QUESTION = 60  # in vain, after which a split has no further questions
MOST_LOOKS = 8
TOLD_EVERY = 100
TOGETHER = "all pictures together"


@dataclass(frozen=True)
class _Kept:
    ask: Ask
    pictures: tuple[Picture, ...]
    answer: str
    seed: int


def synthesize(
    settings: SynthesisSettings,
    *,
    images: Path,
    seed: int,
    progress: Progress,
    judge: Judge | None = None,
) -> Made:
    """The questions of all splits.

    Args:
        images: the folder of the artifact.
        judge: makes the attempts at each question that say whether it is too easy or too vague; without it, that
            check is left out, and a row's ``filters_passed`` lacks it.

    Raises SynthesisError where a split gets no question.
    """
    pictures = ImageStore(images).pictures()
    filters = (*FILTERS, "difficulty") if judge else FILTERS
    funnel, rows = Funnel(filters), []
    shares = {"validation_share": settings.validation_share, "test_share": settings.test_share}
    for split, wanted in wanted_by_split(settings.num_questions, **shares).items():
        own = [picture for picture in pictures if picture.split == split]
        kept = _fill(own, wanted, settings, funnel, split, seed, progress)
        if not kept:
            raise _nothing_qualifies(split, own, funnel)
        if len(kept) < wanted:
            logger.warning(
                "Split %r has %s of %s questions about images, and its images have no further ones to ask. Lower "
                "num_questions, or give more images.",
                split,
                f"{len(kept):,}",
                f"{wanted:,}",
            )
        rows += _judged([_row(item, split, filters) for item in kept], settings, funnel, judge)
    progress.update(len(rows), len(rows), f"{len(rows):,} questions about images")
    return Made(rows, funnel, judge.usage.tokens if judge else 0)


def _fill(
    pictures: Sequence[Picture],
    wanted: int,
    settings: SynthesisSettings,
    funnel: Funnel,
    split: str,
    seed: int,
    progress: Progress,
) -> list[_Kept]:
    random = Random(derive_seed(seed, "vision", split))
    drawer, checker = Drawer(pictures, settings.vision, random), Checker(pictures, random)
    kept: list[_Kept] = []
    seen: set[tuple[object, ...]] = set()
    in_vain = 0
    while not drawer.is_empty and len(kept) < wanted and in_vain < DRAWS_PER_QUESTION * wanted:
        in_vain += 1
        drawn = drawer.draw()
        if drawn is None:
            funnel.count("drawn", "no pictures for it")
            continue
        funnel.count("drawn")
        ask, group = drawn
        answer = ask.answer(group)
        key = (ask, *sorted(picture.id for picture in group))
        fault = _fault(ask, group, answer, checker, key in seen)
        for filter_ in FILTERS[1:]:
            is_fault = fault is not None and fault[0] == filter_
            funnel.count(filter_, fault[1] if is_fault else "", example=ask.tell(random) if is_fault else "")
            if is_fault:
                break
        if fault:
            continue
        seen.add(key)
        checker.count(ask, len(group), answer)
        kept.append(_Kept(ask, group, answer, derive_seed(seed, "vision", split, len(kept))))
        in_vain = 0
        if len(kept) % TOLD_EVERY == 0:
            progress.update(len(kept), wanted, f"questions about images, {split}")
    return kept


def _fault(
    ask: Ask, pictures: Sequence[Picture], answer: str | None, checker: Checker, is_known: bool
) -> tuple[str, str] | None:
    """The filter that a question does not pass, and the reason."""
    if answer is None:
        return "one answer", "none, or several"
    if not checker.needs_every_picture(ask, pictures):
        return "every picture matters", "the others settle it"
    if checker.is_guessable(ask, len(pictures), answer):
        return "no guessing", "the answer is given too often"
    return ("duplicates", "the same pictures, the same question") if is_known else None


def _judged(rows: list[dict], settings: SynthesisSettings, funnel: Funnel, judge: Judge | None) -> list[dict]:
    if judge is None:
        return rows
    limits = {"low": settings.difficulty_min_successes, "high": settings.difficulty_max_successes}
    exercises = [
        Exercise(row["id"], row["prompt"], row["answer"], (), "vision", images=tuple(row["images"])) for row in rows
    ]
    kept = []
    for row, successes in zip(rows, judge.count_successes(exercises), strict=True):
        keep, reason = within_successes(successes, **limits)
        funnel.count("difficulty", "" if keep else reason, example=row["prompt"])
        if keep:
            kept.append(row | {"difficulty": 1 - (successes or 0) / settings.difficulty_attempts})
    return kept


def _row(item: _Kept, split: str, filters: tuple[str, ...]) -> dict:
    """A row of data_contracts.questions.QUESTIONS."""
    prompt = item.ask.tell(Random(item.seed))
    names = [picture.id for picture in item.pictures]
    digest = hashlib.sha256(" ".join([prompt, *names]).encode()).hexdigest()[:16]
    evidence = [_evidence(place, picture, item.ask) for place, picture in enumerate(item.pictures, start=1)]
    evidence += _conclusion(item)
    looks = sum(bool(step["query"]) for step in evidence)
    return {
        "id": f"vision-{digest}",
        "domain": "vision",
        "prompt": prompt,
        "answer": item.answer,
        "aliases": [],
        "split": split,
        "hops": looks,
        "difficulty": min(1.0, (len(names) + looks) / (2 * MOST_LOOKS)),
        "evidence": evidence,
        "images": names,
        "database_id": None,
        "gold_sql": None,
        "level": item.ask.kind,
        "source_ids": names,
        "relations": [item.ask.kind, item.pictures[0].collection],
        "writer": "template",
        "filters_passed": list(filters),
        "seed": item.seed,
    }


def _evidence(place: int, picture: Picture, ask: Ask) -> dict:
    """What is seen on a picture, and where one has to look closer for it."""
    window = window_of(picture)
    return {
        "page_id": picture.id,
        "title": f"picture {place}",
        "query": json.dumps(window) if window else "",
        "fact": f"Picture {place}: {ask.sees(picture)}",
        "value": ask.finds(picture),
    }


def _conclusion(item: _Kept) -> list[dict]:
    """What follows from all pictures together, where it takes a step."""
    told = item.ask.concludes(item.pictures)
    step = {"page_id": "", "title": TOGETHER, "query": "", "fact": told, "value": item.answer}
    return [step] if told else []


def _nothing_qualifies(split: str, pictures: Sequence[Picture], funnel: Funnel) -> SynthesisError:
    dropped = "; ".join(
        f"{filter_} dropped {count:,} ({reason})" for (filter_, reason), count in funnel.dropped().items()
    )
    return SynthesisError(
        f"No question for the split {split!r}: nothing can be asked about its {len(pictures):,} images. "
        f"{dropped or 'They share no label or attribute'}.",
        where="sections [images] and [synthesis.vision] of the settings",
        kept="the images",
        next_step="Give more images with labels or attributes that some of them share, or loosen "
        "`--set synthesis.vision.kinds=...`.",
    )
