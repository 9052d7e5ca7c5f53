"""What the agent acts in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lib.settings.section import Section


class SqlEnvironmentSettings(Section):
    """What queries of an agent may cost, and what it sees of them."""

    rows: int = Field(10, ge=1)
    """Rows of a result that are shown; the others are counted."""
    cell_characters: int = Field(60, ge=10)
    """Longest value that is shown whole."""
    query_seconds: float = Field(5.0, gt=0)
    """Seconds after which a query is ended."""
    answer_rows: int = Field(10_000, ge=1)
    """Most rows of a result that answers are compared by."""
    workers: int | None = Field(None, ge=1)
    """Processes that run queries; default: one a core."""
    worker_memory_mb: int = Field(512, ge=64)
    """What each of them may use for a query's data."""


class McpCommand(Section):
    """A server of the Model Context Protocol that the run starts and talks to over its standard input and output."""

    type: Literal["stdio"]
    command: str
    arguments: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    """Names of environment variables that are passed on to it."""
    connect_timeout_s: float = Field(30.0, gt=0)
    """Seconds until it must answer."""


class McpAddress(Section):
    """A server of the Model Context Protocol that runs already, over HTTP."""

    type: Literal["http"]
    url: str
    """For instance http://localhost:8000/mcp."""
    key_variable: str = ""
    """Environment variable that holds a key, sent as a bearer token."""
    connect_timeout_s: float = Field(30.0, gt=0)
    """Seconds until it must answer."""


# Those that agents have of the project itself, by domain.
TOOLS = {
    "knowledge": ("search", "open"),
    "sql": ("run_sql", "describe", "sample"),
    "vision": ("look_again", "confirm"),
}
McpSettings = Annotated[McpCommand | McpAddress, Field(discriminator="type")]


class ToolSettings(Section):
    """How the calls of one tool are carried out."""

    limit: int | None = Field(None, ge=1)
    """Calls at work at once, over all episodes; further ones wait. Default: no limit."""
    timeout_s: float | None = Field(None, gt=0)
    """Seconds before a call counts as failed; default: environment.tool_timeout_s."""
    retries: int = Field(2, ge=0)
    """Further attempts at a call that broke or was too slow, after growing pauses: of search and open, and of tools
    whose MCP server says that they only read."""
    known_results: int = Field(4096, ge=0)
    """Results that are kept of a tool whose equal calls give equal results; 0 keeps none."""


class EnvironmentSettings(Section):
    results_per_search: int = Field(2, ge=1, le=20)
    """Results that one search returns; further ones act as distractors."""
    snippet_characters: int = Field(120, ge=20)
    """Longest snippet of a search result."""
    page_characters: int = Field(600, ge=80)
    """Longest page that open() returns."""
    max_tool_calls: int = Field(6, ge=1)
    """Calls after which the episode ends with status 'out_of_calls'; no fewer than synthesis.max_hops."""
    max_turns: int = Field(8, ge=1)
    """Turns of the policy after which the episode ends with status 'out_of_turns'."""
    max_malformed: int = Field(1, ge=1)
    """Malformed calls that end the episode; the ones before get an error observation."""
    tool_timeout_s: float = Field(30.0, gt=0)
    """Seconds before one tool call counts as failed."""
    tools: dict[str, ToolSettings] = {}
    """By the tool's name; for instance environment.tools.search.limit=8."""
    mcp: dict[str, McpSettings] = {}
    """Servers whose tools agents have beside search and open, by a name of your own."""
    episode_timeout_s: float = Field(1200.0, gt=0)
    """Seconds from its first turn after which an episode counts as failed, whatever it waits for; it is not trained
    on. Less than workers.silence_timeout_s, after which the whole job does."""
    sql: SqlEnvironmentSettings = SqlEnvironmentSettings()
    """What concerns databases alone."""
