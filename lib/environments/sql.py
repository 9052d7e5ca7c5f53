"""The SQL environment: look at tables, run queries, answer with one query in a tag (MTIR-SQL's setting, offline)."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field

from lib.environments.answer_tag import last_answer
from lib.environments.environment import Message, Question, Start, Step, ToolCall
from lib.environments.tool_desk import ToolDesk
from lib.environments.tools import Tool
from lib.settings.environment import EnvironmentSettings
from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile, Result
from lib.sources.sql.fence import without_fence
from lib.sources.sql.identifiers import quote_name
from lib.sources.sql.outline import tell_table, tell_tables
from lib.sources.sql.schema import Database, Table

MOST_DESCRIBED = 6  # tables by one call
_NAME = re.compile(r'"[^"]*"|[^\s,"][^,"]*')  # between commas; one in quotes may have a comma inside

# Short, since every episode of a small model pays for each of its tokens.
SYSTEM = """Answer with one {dialect} query, using the tools describe(table), sample(table, n), run_sql(query).
Call: <tool_call>{{"name": "run_sql", "arguments": {{"query": "..."}}}}</tool_call>
End: <answer>SELECT ...</answer>"""


class QueryArguments(BaseModel):
    query: str = Field(min_length=1, max_length=20_000)


class TableArguments(BaseModel):
    table: str = Field(min_length=1, max_length=400)


class SampleArguments(TableArguments):
    n: int = Field(3, ge=1, le=20)


class DatabaseLostError(Exception):
    """The query is innocent: its worker died, or the file cannot be read any more."""


class SqlEnvironment:
    """One episode on a shared database; see lib.environments.environment.Environment.

    An error of a query is an observation in the database's own words: the policy is to mend it.
    """

    def __init__(self, database: Database, pool: Pool, settings: EnvironmentSettings, desk: ToolDesk | None = None):
        self._database, self._pool, self._settings = database, pool, settings
        self._desk = desk or sql_desk(settings)
        tools = [
            Tool("run_sql", "Run a query; the first rows come back.", QueryArguments, self._run_sql),
            Tool("describe", "Columns of a table, or of tables named with commas.", TableArguments, self._describe),
            Tool("sample", "The first n rows of a table.", SampleArguments, self._sample),
        ]
        self._tools = {tool.name: tool for tool in tools}

    async def start(self, question: Question, seed: int) -> Start:
        system = SYSTEM.format(dialect="DuckDB" if self._database.dialect == "duckdb" else "SQLite")
        asked = f"Tables: {tell_tables(self._database)}\n{question.prompt}"
        return Start(
            [Message("system", system), Message("user", asked)], [tool.schema for tool in self._tools.values()]
        )

    async def step(self, calls: list[ToolCall]) -> Step:
        return Step(await self._desk.call_all(self._tools, calls, scope=self._database.id))

    def parse_answer(self, text: str) -> str | None:
        answer = last_answer(text)
        return None if answer is None else without_fence(answer)

    async def _run_sql(self, arguments: QueryArguments) -> str:
        return await self._show(arguments.query)

    async def _describe(self, arguments: TableArguments) -> str:
        whole = self._find(arguments.table)
        names = [arguments.table] if whole else _NAME.findall(arguments.table)[:MOST_DESCRIBED]
        tables = [(name, self._find(name)) for name in names]
        return "\n".join(tell_table(table, self._database) if table else self._no_such(name) for name, table in tables)

    async def _sample(self, arguments: SampleArguments) -> str:
        table = self._find(arguments.table)
        if table is None:
            return self._no_such(arguments.table)
        return await self._show(f"SELECT * FROM {quote_name(table.name)} LIMIT {arguments.n}")

    def _find(self, name: str) -> Table | None:
        """Quotes around a name do no harm."""
        return self._database.find(name) or self._database.find(name.strip("\"'`[] "))

    def _no_such(self, name: str) -> str:
        return f"Error: no such table: {name.strip()}; tables: {tell_tables(self._database)}"

    async def _show(self, query: str) -> str:
        limits = Limits(seconds=self._settings.sql.query_seconds, rows=self._settings.sql.rows)
        result = await self._pool.run_async(DatabaseFile.of(self._database), query, limits)
        if result.error and not result.error.kind.is_fault_of_query:
            raise DatabaseLostError(result.error.message)
        return tell_result(result, cell_characters=self._settings.sql.cell_characters)


def sql_desk(settings: EnvironmentSettings) -> ToolDesk:
    """The executor ends a query in its own time, and says so; the desk's limit is for an executor that hangs."""
    return ToolDesk(settings, timeout_s=settings.tool_timeout_s + settings.sql.query_seconds)


def tell_result(result: Result, *, cell_characters: int) -> str:
    """Header and rows, then how many more there are; or the error in the database's words."""
    if result.error:
        return f"Error: {result.error.message}"
    header = " | ".join(_tell_cell(name, cell_characters) for name in result.columns)
    lines = [header, *(" | ".join(_tell_cell(cell, cell_characters) for cell in row) for row in result.rows)]
    if not result.rows:
        lines.append("(no rows)")
    elif result.num_rows is None:
        lines.append("... and many more rows")
    elif result.num_rows > len(result.rows):
        lines.append(f"... and {result.num_rows - len(result.rows):,} more rows")
    return "\n".join(lines)


def _tell_cell(value: object, most: int) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value):,} bytes>"
    if isinstance(value, float):
        return f"{value:.12g}"
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[:most]}..."
