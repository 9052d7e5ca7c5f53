"""Images -> questions over several of them, and the funnel that they came through.

In: an `images` artifact and settings. Out: rows of the questions table. A collector draws groups of pictures, offline
checks say which of them can be asked about, and a team makes questions of those.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from lib.errors import SynthesisError
from lib.progress import Progress
from lib.reply_log import ReplyLog
from lib.seeds import derive_seed
from lib.settings import synthesis as settings_module
from lib.settings.synthesis import SynthesisSettings
from lib.settings.vision_synthesis import Kind
from lib.sources.images.image_set import ImageStore, Picture
from lib.synthesis.filters.difficulty import within_successes
from lib.synthesis.funnel import Funnel
from lib.synthesis.judge import Exercise, Judge
from lib.synthesis.question_set import Made, wanted_by_split
from lib.synthesis.vision.checks import Checker
from lib.synthesis.vision.draw import Drawer
from lib.synthesis.vision.endpoint_team import EndpointTeam
from lib.synthesis.vision.team import Declined, Draft, Team, TemplateTeam, Told

logger = logging.getLogger("ropewalk.synthesis")

DRAWN, UNIQUE, NEEDED, GUESSED, TWICE = "drawn", "one answer", "every picture matters", "no guessing", "duplicates"
DRAWS_PER_QUESTION = 60  # in vain, after which a split has no further questions
MOST_DECLINED = 4  # drafts of a team in vain, for each question that is wanted
ROUND = 100  # drafts that a team gets at once, at most
MOST_LOOKS = 8

TEAMS: dict[type, Callable[..., Team]] = {
    settings_module.TemplateWriter: lambda settings, store, scratch: TemplateTeam(),
    settings_module.OpenAIWriter: lambda settings, store, scratch: EndpointTeam(
        settings.writer,
        store=store,
        attempts=settings.vision.solver_attempts,
        log=ReplyLog(scratch / "vision-team.jsonl"),
    ),
}


def synthesize(
    settings: SynthesisSettings,
    *,
    images: Path,
    seed: int,
    progress: Progress,
    judge: Judge | None = None,
    scratch: Path,
) -> Made:
    """The questions of all splits.

    Args:
        images: the folder of the artifact.
        judge: makes the attempts at each question that say whether it is too easy or too vague; without it, that
            check is left out, and a row's ``filters_passed`` lacks it.
        scratch: a folder in which an endpoint's replies outlive a failure, so that they are not paid for twice.

    Raises SynthesisError where a split gets no question, EndpointError where an endpoint fails for good.
    """
    store = ImageStore(images)
    team = TEAMS[type(settings.writer)](settings, store, scratch)
    order = (DRAWN, UNIQUE, NEEDED, GUESSED, TWICE, *team.roles)
    if settings.vision.questions == "seen":  # whose answers the team alone knows
        order = (DRAWN, *team.roles, GUESSED, TWICE)
    filters = (*order, "difficulty") if judge else order
    funnel, rows = Funnel(filters), []
    shares = {"validation_share": settings.validation_share, "test_share": settings.test_share}
    for split, wanted in wanted_by_split(settings.num_questions, **shares).items():
        own = [picture for picture in store.pictures() if picture.split == split]
        kept = _Filling(own, settings, team, funnel, split, derive_seed(seed, "vision", split), progress).fill(wanted)
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
        made = [_row(*pair, split, team.name, filters) for pair in kept]
        rows += _judged(made, settings, funnel, judge)
    usages = [user.usage for user in (team, judge) if user]
    progress.update(len(rows), len(rows), f"{len(rows):,} questions about images{''.join(u.note() for u in usages)}")
    return Made(rows, funnel, sum(usage.tokens for usage in usages))


class _Filling:
    """The questions of one split, in rounds that collector, offline checks and team take in turn."""

    def __init__(
        self,
        pictures: Sequence[Picture],
        settings: SynthesisSettings,
        team: Team,
        funnel: Funnel,
        split: str,
        seed: int,
        progress: Progress,
    ):
        self._team, self._funnel, self._split, self._seed, self._progress = team, funnel, split, seed, progress
        self._random = Random(seed)
        self._drawer = Drawer(pictures, settings.vision, self._random)
        self._checker = Checker(pictures, self._random)
        self._draw = self._draw_known if settings.vision.questions == "known" else self._draw_group
        self._seen: set[tuple[object, ...]] = set()
        self._num_drafts = 0

    def fill(self, wanted: int) -> list[tuple[Draft, Told]]:
        kept: list[tuple[Draft, Told]] = []
        while len(kept) < wanted and self._num_drafts < MOST_DECLINED * wanted + ROUND:
            drafts = self._draw_round(min(ROUND, wanted - len(kept)))
            if not drafts:
                break
            kept += self._passed(drafts, self._team.tell(drafts))
            told = f"questions about images, {self._split}{self._team.usage.note()}"
            self._progress.update(len(kept), wanted, told)
        return kept

    def _draw_round(self, number: int) -> list[Draft]:
        """Fewer where the pictures have no further ones."""
        drafts: list[Draft] = []
        in_vain = 0
        while not self._drawer.is_empty and len(drafts) < number and in_vain < DRAWS_PER_QUESTION * number:
            if draft := self._draw():
                drafts.append(draft)
                self._num_drafts += 1
                in_vain = 0
            in_vain += 1
        return drafts

    def _draw_known(self) -> Draft | None:
        """What is known of the pictures says what to ask, and whether it holds."""
        drawn = self._drawer.draw()
        if not self._passes(DRAWN, drawn is not None, "no pictures for it"):
            return None
        ask, pictures = drawn
        answer, sentence = ask.answer(pictures), ask.tell(self._random)
        if not self._passes(UNIQUE, answer is not None, "none, or several", sentence):
            return None
        is_needed = self._checker.needs_every_picture(ask, pictures)
        if not self._passes(NEEDED, is_needed, "the others settle it", sentence):
            return None
        if not self._is_fresh(ask.kind, pictures, ask, sentence, answer):
            return None
        return Draft(ask.kind, pictures, self._next_seed(), ask, sentence, answer)

    def _draw_group(self) -> Draft | None:
        """Nothing is known but that the pictures belong together."""
        drawn = self._drawer.draw_group()
        if not self._passes(DRAWN, drawn is not None, "no pictures for it"):
            return None
        return Draft(*drawn, self._next_seed())

    def _passed(self, drafts: Sequence[Draft], answers: Sequence[Told | Declined]) -> list[tuple[Draft, Told]]:
        kept = []
        for draft, told in zip(drafts, answers, strict=True):
            declined = told if isinstance(told, Declined) else None
            for role in self._team.roles:
                is_end = declined is not None and declined.role == role
                reason, example = (declined.reason, declined.example) if is_end else ("", "")
                self._funnel.count(role, reason, example=example)
                if is_end:
                    break
            if declined:
                continue
            # What is drawn with its answer was looked at then, so that a round does not fill with one answer.
            if draft.ask or self._is_fresh(draft.kind, draft.pictures, told.prompt, told.prompt, told.answer):
                kept.append((draft, told))
        return kept

    def _is_fresh(self, kind: Kind, pictures: Sequence[Picture], asked: object, sentence: str, answer: str) -> bool:
        """Whether the answer is not given too often, nor the same asked already; if so, it counts from now on."""
        is_open = not self._checker.is_guessable(kind, len(pictures), answer)
        if not self._passes(GUESSED, is_open, "the answer is given too often", sentence):
            return False
        key = (asked, *sorted(picture.id for picture in pictures))
        if not self._passes(TWICE, key not in self._seen, "the same pictures, the same question", sentence):
            return False
        self._seen.add(key)
        self._checker.count(kind, len(pictures), answer)
        return True

    def _passes(self, filter_: str, holds: bool, reason: str, example: str = "") -> bool:
        self._funnel.count(filter_, "" if holds else reason, example="" if holds else example)
        return holds

    def _next_seed(self) -> int:
        return derive_seed(self._seed, self._num_drafts)


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


def _row(draft: Draft, told: Told, split: str, writer: str, filters: tuple[str, ...]) -> dict:
    """A row of data_contracts.questions.QUESTIONS."""
    names = [picture.id for picture in draft.pictures]
    digest = hashlib.sha256(" ".join([told.prompt, *names]).encode()).hexdigest()[:16]
    looks = sum(bool(step["query"]) for step in told.evidence)
    return {
        "id": f"vision-{digest}",
        "domain": "vision",
        "prompt": told.prompt,
        "answer": told.answer,
        "aliases": [],
        "split": split,
        "hops": looks,
        "difficulty": min(1.0, (len(names) + looks) / (2 * MOST_LOOKS)),
        "evidence": list(told.evidence),
        "images": names,
        "database_id": None,
        "gold_sql": None,
        "level": draft.kind,
        "source_ids": names,
        "relations": [draft.kind, draft.pictures[0].collection],
        "writer": writer,
        "filters_passed": list(filters),
        "seed": draft.seed,
    }


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
