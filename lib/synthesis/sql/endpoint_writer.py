"""A language model that words SQL questions, and answers them itself so that a wrong wording is found out.

In: drafts with their database. Out: the model's question for each, kept only where a query that the model writes for it
alone (back-translation) gives the result of the gold one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.chat_endpoint import ChatEndpoint, Usage
from lib.errors import EndpointError, RequestRefusedError
from lib.reply_log import ReplyLog
from lib.settings.synthesis import OpenAIWriter as OpenAIWriterSettings
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile
from lib.sources.sql.fence import without_fence
from lib.sources.sql.outline import tell_database
from lib.sources.sql.results.compare import same_result
from lib.sources.sql.results.spider import order_matters
from lib.sources.sql.schema import Database
from lib.synthesis.openai_writer import REFUSED, OpenAIWriter
from lib.synthesis.writer import Draft, Wording

INSTRUCTIONS = """You word the question that a user of a database asks and that a given SQL query answers.
You get the tables, a stiff sentence that says the same, and the query as the answer.
- Ask for exactly what the query gives: the same columns in the same order, every condition, order and limit.
- Keep values as they are written; name no table or column that a user would not know by that name.
- Natural English, at most 50 words, no SQL.{blur}
Reply with <question>the question</question> and nothing else."""
TRANSLATE = """You write one {dialect} query that answers a question about a database.
Reply with <sql>the query</sql> and nothing else."""
SQL = re.compile(r"<sql>\s*(\S.*?)\s*</sql>", re.DOTALL)


@dataclass(frozen=True)
class SqlDraft(Draft):
    """``answer`` is the gold query on ``database``."""

    database: Database | None = None


class EndpointWriter:
    """See lib.synthesis.writer.Writer; ``pause_s`` is the first pause between two attempts.

    Args:
        scratch: a folder in which replies outlive a failure, so that they are not paid for twice.
    """

    name = "openai"

    def __init__(self, settings: OpenAIWriterSettings, *, scratch: Path, pool: Pool, pause_s: float = 1.0):
        self._pool = pool
        written, translated = (ReplyLog(scratch / f"sql-{name}.jsonl") for name in ("writer", "translations"))
        self._writer = OpenAIWriter(settings, log=written, pause_s=pause_s, instructions=INSTRUCTIONS)
        self._translator = ChatEndpoint(settings, log=translated, pause_s=pause_s)

    @property
    def usage(self) -> Usage:
        """Of both kinds of requests."""
        first, second = self._writer.usage, self._translator.usage
        return Usage(*(getattr(first, name) + getattr(second, name) for name in Usage.__dataclass_fields__))

    def write(self, drafts: Sequence[SqlDraft]) -> list[Wording]:
        """Raises EndpointError when a request fails for good."""
        told = [_told(draft) for draft in drafts]
        worded = self._writer.write(told)
        asked = [(draft, wording) for draft, wording in zip(drafts, worded, strict=True) if wording.prompt]
        try:
            replies = iter(self._translator.work_through(self._translate, asked))
        except EndpointError as error:
            raise EndpointError(
                f"No question can be checked by back-translation. {error.what}",
                where=error.where,
                next_step=f"{error.next_step} Or write offline: `ropewalk run --set synthesis.writer.type=template`.",
            ) from error
        return [next(replies) if wording.prompt else wording for wording in worded]

    async def _translate(self, asked: tuple[SqlDraft, Wording]) -> Wording:
        draft, wording = asked
        database = draft.database
        messages = [
            {"role": "system", "content": TRANSLATE.format(dialect=database.dialect)},
            {"role": "user", "content": f"{tell_database(database)}\n\n{wording.prompt}"},
        ]
        try:
            reply = await self._translator.complete(messages, temperature=0.0, seed=draft.seed)
        except RequestRefusedError as error:
            return Wording("", REFUSED, error.what)
        found = SQL.search(reply.text)
        if not found:
            return Wording("", "back-translation gave no query", wording.prompt)
        file = DatabaseFile.of(database)
        gold, back = [await self._pool.run_async(file, sql) for sql in (draft.answer, without_fence(found.group(1)))]
        if not gold.ok or gold.truncated:
            return Wording("", "the gold query gave no result", gold.error.message if gold.error else "too many rows")
        if not same_result(gold, back, ordered=order_matters(draft.answer)):
            return Wording("", "back-translation gives another result", wording.prompt)
        return wording


def _told(draft: SqlDraft) -> Draft:
    sentence = draft.wordings[0] if draft.wordings else ""
    return SqlDraft(
        seed=draft.seed,
        wordings=draft.wordings,
        clues=(tell_database(draft.database), f"Sentence: {sentence}"),
        answer=draft.answer,
        database=draft.database,
    )
