"""Databases -> questions with their SQL, and the funnel that they came through.

In: the databases of a `databases` artifact and settings. Out: rows of the questions table. For each database requests
are drawn in rounds, checked together, and kept as far as the split's mix of levels and constructs has room.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from lib.errors import EndpointError, SynthesisError
from lib.progress import Progress
from lib.settings import synthesis as settings_module
from lib.settings.synthesis import SynthesisSettings
from lib.sources.sql.database_set import load_databases
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.schema import Database
from lib.synthesis.funnel import Funnel
from lib.synthesis.judge import Judge
from lib.synthesis.question_set import Made, wanted_by_split
from lib.synthesis.sql.endpoint_writer import EndpointWriter
from lib.synthesis.sql.fill import SqlSynthesis, filters_in_order
from lib.synthesis.sql.splits import split_databases
from lib.synthesis.sql.written import take_written
from lib.synthesis.template_writer import TemplateWriter
from lib.synthesis.writer import Writer

logger = logging.getLogger("ropewalk.synthesis")

WRITERS: dict[type, Callable[..., Writer]] = {
    settings_module.TemplateWriter: lambda settings, scratch, pool: TemplateWriter(),
    settings_module.OpenAIWriter: EndpointWriter,
}


def synthesize(
    settings: SynthesisSettings,
    *,
    databases: Path,
    seed: int,
    progress: Progress,
    judge: Judge | None = None,
    scratch: Path,
) -> Made:
    """The questions of all splits.

    Args:
        databases: the folder of the artifact.
        judge: makes the attempts at each question that say whether it is too easy or too vague; without it, that
            check is left out, and a row's ``filters_passed`` lacks it.
        scratch: a folder for copies of the databases, in which an endpoint's replies outlive a failure.

    Raises SynthesisError where a split gets no question, EndpointError where an endpoint fails for good.
    """
    known = load_databases(databases)
    shares = {"validation_share": settings.validation_share, "test_share": settings.test_share}
    by_split = _assign(known, settings, seed)
    if settings.sql.questions == "written":
        return take_written(databases, by_split, settings, seed=seed)
    wanted = wanted_by_split(settings.num_questions, **shares)
    funnel, rows = Funnel(filters_in_order(judged=judge is not None)), []
    with Pool() as pool:
        writer = WRITERS[type(settings.writer)](settings.writer, scratch=scratch, pool=pool)
        synthesis = SqlSynthesis(
            settings, pool=pool, writer=writer, funnel=funnel, judge=judge, seed=seed, scratch=scratch / "copies"
        )
        for split, count in wanted.items():
            try:
                fresh = synthesis.fill(split, by_split[split], count, progress)
            except EndpointError as error:
                error.kept = "the databases, and the replies so far, which the next run does not ask for again"
                raise
            if not fresh:
                raise _nothing_qualifies(split, by_split[split], funnel)
            if len(fresh) < count:
                _warn_of_few(split, len(fresh), count)
            rows += fresh
        rows += synthesis.paraphrases
    usages = [user.usage for user in (writer, judge) if user]
    progress.update(len(rows), len(rows), f"{len(rows):,} SQL questions{''.join(usage.note() for usage in usages)}")
    return Made(rows, funnel, sum(usage.tokens for usage in usages))


def _assign(known: Sequence[Database], settings: SynthesisSettings, seed: int) -> dict[str, list[Database]]:
    """The databases of each split; all of them in each where questions are what is split."""
    usable = [database for database in known if any(table.rows for table in database.tables)]
    if not usable:
        raise SynthesisError(
            "No question: no database has a table with rows.",
            where="section [databases] of the settings",
            kept="the databases",
            next_step="Give databases with data: `ropewalk run --set databases.source=...`.",
        )
    if settings.sql.split_by == "question":
        return dict.fromkeys(("test", "validation", "train"), usable)
    split_of = split_databases(
        [database.id for database in usable],
        validation_share=settings.validation_share,
        test_share=settings.test_share,
        seed=seed,
    )
    return {split: [item for item in usable if split_of[item.id] == split] for split in ("test", "validation", "train")}


def _nothing_qualifies(split: str, databases: Sequence[Database], funnel: Funnel) -> SynthesisError:
    dropped = "; ".join(
        f"{filter_} dropped {count:,} ({reason})" for (filter_, reason), count in funnel.dropped().items()
    )
    names = ", ".join(database.id for database in databases[:5])
    return SynthesisError(
        f"No question for the split {split!r}: no query about {names} qualifies. {dropped or 'None could be drawn'}.",
        where="section [synthesis] of the settings",
        kept="the databases",
        next_step="Give databases with more rows and columns, or loosen what dropped most: "
        "`ropewalk run --set synthesis.KEY=VALUE`.",
    )


def _warn_of_few(split: str, found: int, wanted: int) -> None:
    logger.warning(
        "Split %r has %s of %s SQL questions, and its databases have no further ones to ask. Lower num_questions, or "
        "give more databases.",
        split,
        f"{found:,}",
        f"{wanted:,}",
    )
