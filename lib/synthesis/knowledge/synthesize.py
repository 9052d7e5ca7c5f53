"""A graph -> questions with answers and evidence, and the funnel that they came through.

In: a graph artifact and settings. Out: rows of the questions table. Held-out splits
are made first, so that a training question can be compared with them. The recipe follows DeepDive
(walk, attribute-rich path, one writing pass, filters), with the graph checking what it can.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path as FilePath

import numpy as np

from data_contracts.questions import SPLITS
from lib.errors import EndpointError, SynthesisError
from lib.progress import Progress
from lib.reply_log import ReplyLog
from lib.seeds import derive_seed
from lib.settings import synthesis as settings_module
from lib.settings.synthesis import SynthesisSettings
from lib.sources.graph import KnowledgeGraph, load_graph
from lib.synthesis.funnel import Funnel
from lib.synthesis.judge import Judge
from lib.synthesis.knowledge.clues import AttributeIndex
from lib.synthesis.knowledge.draw import PathDrawer
from lib.synthesis.knowledge.sieve import Sieve, filters_in_order
from lib.synthesis.knowledge.splits import assign_splits
from lib.synthesis.knowledge.walkability import warn_of_short_walks
from lib.synthesis.openai_writer import OpenAIWriter
from lib.synthesis.question_set import Made, wanted_by_split
from lib.synthesis.template_writer import TemplateWriter
from lib.synthesis.writer import Writer

logger = logging.getLogger("ropewalk.synthesis")

WRITERS: dict[type, Callable[..., Writer]] = {
    settings_module.TemplateWriter: lambda settings, log: TemplateWriter(),
    settings_module.OpenAIWriter: OpenAIWriter,
}
# Rounds without a single new question after which a split counts as exhausted.
IDLE_ROUNDS = 4
LEAST_WALKERS = 500
SHOWN_TYPES = 12  # of a message


def synthesize(
    settings: SynthesisSettings,
    *,
    graph: FilePath,
    seed: int,
    progress: Progress,
    judge: Judge | None = None,
    scratch: FilePath | None = None,
) -> Made:
    """The questions of all splits.

    Args:
        judge: makes the attempts that decide on difficulty; without it a measure of the graph does.
        scratch: a folder in which an endpoint's replies outlive a failure, so that they are not paid for twice.

    Tokens that endpoints took and gave are counted for replies of an earlier run too.

    Raises SynthesisError where a split gets no question at all, EndpointError where an endpoint fails for good.
    """
    knowledge = load_graph(graph)
    walk_seed = derive_seed(seed, "walkability")
    warn_of_short_walks(knowledge, settings, inspection=graph / "inspection.parquet", seed=walk_seed)
    splits = assign_splits(
        knowledge,
        validation_share=settings.validation_share,
        test_share=settings.test_share,
        seed=derive_seed(seed, "splits") % 2**32,
    )
    funnel = Funnel(("walks", *filters_in_order(judged=judge is not None)))
    log = ReplyLog(scratch / "writer.jsonl") if scratch else None
    writer = WRITERS[type(settings.writer)](settings.writer, log=log)
    usages = [user.usage for user in (writer, judge) if user]
    sieve = Sieve(knowledge, settings, funnel=funnel, writer=writer, judge=judge)
    rows: list[dict] = []
    index = AttributeIndex(knowledge)
    for name in ("test", "validation", "train"):
        inside, walk_seed = splits == SPLITS.index(name), derive_seed(seed, "walks", name)
        drawer = PathDrawer(knowledge, inside, settings, index=index, seed=walk_seed)
        if not drawer.can_start:
            raise _nowhere_to_start(name, knowledge, inside, settings)
        try:
            rows += _fill_split(name, drawer, sieve, settings, seed=seed, done=len(rows), progress=progress)
        except EndpointError as error:
            error.kept = _kept(sum(usage.kept for usage in usages))
            raise
    progress.update(len(rows), len(rows), f"{len(rows):,} questions{''.join(usage.note() for usage in usages)}")
    return Made(rows, funnel, sum(usage.tokens for usage in usages))


def _fill_split(
    name: str,
    drawer: PathDrawer,
    sieve: Sieve,
    settings: SynthesisSettings,
    *,
    seed: int,
    done: int,
    progress: Progress,
) -> list[dict]:
    """Draw and sift in rounds until the split has its questions or nothing new comes."""
    shares = {"validation_share": settings.validation_share, "test_share": settings.test_share}
    wanted = wanted_by_split(settings.num_questions, **shares)[name]
    sieve.start_split(name, wanted=wanted)
    rows, dropped_before = [], sieve.funnel.dropped()
    idle = 0
    while len(rows) < wanted and idle < IDLE_ROUNDS:
        missing = wanted - len(rows)
        fresh = sieve.sift(drawer, walkers=max(LEAST_WALKERS, 3 * missing), most=missing, seed=seed)
        idle = 0 if fresh else idle + 1
        rows += fresh
        progress.update(done + len(rows), settings.num_questions, name)
    if not rows:
        raise _nothing_qualifies(name, sieve.funnel, settings)
    if len(rows) < wanted:
        dropped = {key: count - dropped_before.get(key, 0) for key, count in sieve.funnel.dropped().items()}
        _warn_of_few(name, len(rows), wanted, dropped)
    return rows


def _kept(num_replies: int) -> str:
    return "the graph" + (
        f", and {num_replies:,} replies, which the next run does not ask for again" * (num_replies > 0)
    )


def _nowhere_to_start(
    split: str, graph: KnowledgeGraph, inside: np.ndarray, settings: SynthesisSettings
) -> SynthesisError:
    types = sorted(set(graph.types))
    if not inside.any():
        reason = f"none of the graph's {len(graph):,} entities belong to it"
        next_step = "give the split a larger share (validation_share, test_share), or a larger graph"
    elif settings.start_types and not set(settings.start_types) & set(types):
        reason = f"no entity is of the types {', '.join(settings.start_types)}"
        next_step = f"correct start_types; the graph has {', '.join(types[:SHOWN_TYPES])}"
        next_step += f" and {len(types) - SHOWN_TYPES} more" if len(types) > SHOWN_TYPES else ""
    else:
        reason = f"none of its {int(inside.sum()):,} entities may start a walk"
        next_step = f"widen {'start_types or ' if settings.start_types else ''}min_degree..max_degree"
    return SynthesisError(
        f"No question for the split {split!r}: {reason}.",
        where="section [synthesis] of the settings",
        kept="the graph",
        next_step=f"{next_step[0].upper()}{next_step[1:]}; `ropewalk run --set synthesis.KEY=VALUE`.",
    )


# What to loosen when a filter, or one of its reasons, leaves nothing.
REMEDIES = {
    "walks": "widen min_hops..max_hops, min_degree..max_degree or start_types; where most facts lead to several "
    "entities, raise extra_clues",
    "clues": "lower blur, or raise extra_clues",
    "uniqueness": "lower min_hops, or give pages titles of their own",
    "one_hop": "lower max_hops, or set answer to 'attribute'",
    "evidence": "leave the source's `pages` out, so that pages are written from its facts",
    "balance": "raise max_answer_share or max_pattern_share",
    "writer": "set writer.model to one that follows the writer's instructions, or writer.type to 'template'",
    "leak": "set answer to 'attribute', or give the entities labels that do not contain each other",
    "hidden_names": "set synthesis.answer to 'attribute', or lower max_hops",
    "duplicates": "raise duplicate_threshold",
    "difficulty": "widen min_difficulty..max_difficulty, or the range of successes",
    "an attempt broke": "look at what the judge's endpoint refuses, or set judge.type to 'none'",
}


def _warn_of_few(split: str, found: int, wanted: int, dropped: dict[tuple[str, str], int]) -> None:
    """Log a warning; ``dropped`` counts by filter and reason what the split lost."""
    told = f"Split {split!r} has {found:,} of {wanted:,} questions, and no further ones come"
    (filter_, reason), count = max(dropped.items(), key=lambda item: item[1], default=(("walks", ""), 0))
    if count:
        told += f"; {filter_} dropped most: {count:,} ({reason})"
    remedy = REMEDIES.get(filter_ if count else "walks", REMEDIES["walks"])
    logger.warning("%s. Lower num_questions, or %s.", told, remedy)


def _nothing_qualifies(split: str, funnel: Funnel, settings: SynthesisSettings) -> SynthesisError:
    dropped = funnel.dropped()
    told = "; ".join(f"{filter_} dropped {count:,} ({reason})" for (filter_, reason), count in dropped.items())
    worst, reason = next(iter(dropped), ("walks", ""))
    remedy = REMEDIES.get(reason) or REMEDIES.get(worst, REMEDIES["walks"])
    return SynthesisError(
        f"No question for the split {split!r}: no path through the graph qualifies. "
        + (told or f"No walk had {settings.min_hops} to {settings.max_hops} look-ups")
        + ".",
        where="section [synthesis] of the settings",
        kept="the graph",
        next_step=f"{remedy.capitalize()}; `ropewalk run --set synthesis.KEY=VALUE`.",
    )
