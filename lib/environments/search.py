"""The search environment: search pages, open one, answer in a tag (DeepDive's setting, offline)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from lib.environments.answer_tag import last_answer
from lib.environments.environment import Message, Question, Start, Step, ToolCall
from lib.environments.page_index import PageIndex
from lib.environments.tool_desk import ToolDesk
from lib.environments.tools import Tool, ToolError
from lib.settings.environment import EnvironmentSettings

if TYPE_CHECKING:
    from lib.environments.remote_tools import RemoteTools

# Short, since every episode of a small model pays for each of its tokens.
SYSTEM = """Find the answer with the tools search(query) and open(page).
Call: <tool_call>{"name": "search", "arguments": {"query": "..."}}</tool_call>
End: <answer>...</answer>"""


# What stands after the tools' names where servers offer more of them.
ALSO = "\nAlso:\n{tools}"


class SearchArguments(BaseModel):
    query: str = Field(min_length=1, max_length=400)


class OpenArguments(BaseModel):
    page: str = Field(min_length=1, max_length=400)


class SearchEnvironment:
    """One episode over a shared index; see lib.environments.environment.Environment.

    Args:
        remote: tools of servers, beside those on the index.
    """

    def __init__(
        self,
        index: PageIndex,
        settings: EnvironmentSettings,
        desk: ToolDesk | None = None,
        remote: RemoteTools | None = None,
    ):
        self._index, self._settings, self._desk, self._remote = index, settings, desk or ToolDesk(settings), remote
        self._question: Question | None = None
        tools = [
            Tool("search", "Find pages by words.", SearchArguments, self._search, is_pure=True),
            Tool("open", "Read a page by its title.", OpenArguments, self._open, is_pure=True),
        ]
        self._tools = {tool.name: tool for tool in tools}

    async def start(self, question: Question, seed: int) -> Start:
        self._question = question
        system = SYSTEM
        if self._remote is not None:
            more = await self._remote.list(besides=[*self._tools])
            self._tools |= {tool.name: tool for tool in more}
            system += ALSO.format(tools="\n".join(map(_tell_tool, more)))
        messages = [Message("system", system), Message("user", question.prompt)]
        return Start(messages, [tool.schema for tool in self._tools.values()])

    async def step(self, calls: list[ToolCall]) -> Step:
        return Step(await self._desk.call_all(self._tools, calls, scope=self._forbidden))

    def parse_answer(self, text: str) -> str | None:
        answer = last_answer(text)
        return None if answer is None else answer.strip()

    @property
    def _forbidden(self) -> str:
        """What no result may contain: the question itself."""
        return self._question.prompt if self._question else ""

    async def _search(self, arguments: SearchArguments) -> str:
        hits = self._index.search(
            arguments.query,
            limit=self._settings.results_per_search,
            snippet_characters=self._settings.snippet_characters,
            forbidden=self._forbidden,
        )
        if not hits:
            return "No page matches."
        return "\n".join(f"[{hit.title}] {hit.snippet}" for hit in hits)

    async def _open(self, arguments: OpenArguments) -> str:
        text = self._index.open(arguments.page, characters=self._settings.page_characters, forbidden=self._forbidden)
        if text is None:
            raise ToolError(f"there is no page {arguments.page!r}; search for its title first")
        return text


def _tell_tool(tool: Tool) -> str:
    """Its call and what it is for, in a line."""
    properties = tool.schema["function"]["parameters"].get("properties", {})
    return f"{tool.name}({', '.join(properties)}): {tool.description.splitlines()[0]}"
