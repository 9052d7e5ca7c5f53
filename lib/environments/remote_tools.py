"""Tools of servers that speak the Model Context Protocol, through the official package.

In: how a server is started or reached. Out: its tools, as environments take them. A connection lives in a task of its
own in the event loop that first needs it; one that breaks is opened anew by the next call.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import INVALID_PARAMS, CallToolResult, TextContent
from mcp.types import Tool as ListedTool
from pydantic import RootModel
from tenacity import AsyncRetrying, stop_after_delay, wait_exponential

from lib.environments.tools import SchemaArguments, Tool
from lib.errors import ToolServerError
from lib.settings.environment import McpCommand, McpSettings


class RemoteTools:
    """The tools of all servers of a run."""

    def __init__(self, servers: Mapping[str, McpSettings]):
        self._servers = [McpServer(name, settings) for name, settings in servers.items()]
        self._tools: list[Tool] | None = None
        self._asking: tuple[asyncio.AbstractEventLoop, asyncio.Future[list[Tool]]] | None = None

    async def list(self, *, besides: Sequence[str]) -> list[Tool]:
        """Asked for once, whoever asks. Raises ToolServerError where a server is away or two tools have one name.

        Args:
            besides: names that are taken.
        """
        if self._tools is None:
            loop = asyncio.get_running_loop()
            if self._asking is None or self._asking[0] is not loop:
                self._asking = loop, asyncio.ensure_future(self._list(besides))
            self._tools = await asyncio.shield(self._asking[1])
        return self._tools

    async def _list(self, besides: Sequence[str]) -> list[Tool]:
        found: list[Tool] = []
        for server in self._servers:
            for tool in await server.list():
                if tool.name in {*besides, *(other.name for other in found)}:
                    raise ToolServerError(
                        f"There are two tools named {tool.name!r}, and agents call tools by their names.",
                        where=f"environment.mcp.{server.name}",
                        next_step="leave that server out, or have it name its tool otherwise",
                    )
                found.append(tool)
        return found


class McpServer:
    """One server.

    Args:
        name: of its section in the settings, for errors.
    """

    def __init__(self, name: str, settings: McpSettings):
        self.name, self._settings = name, settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: _Connection | None = None

    async def list(self) -> list[Tool]:
        """Raises ToolServerError when the server does not answer in its time."""
        patience = AsyncRetrying(
            stop=stop_after_delay(self._settings.connect_timeout_s), wait=wait_exponential(0.1, max=2), reraise=True
        )
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                return [self._tool(listed) for listed in (await patience(self._ask_for_list)).tools]
        except Exception as error:  # boundary: whatever a server, a process or a network does
            cause = _innermost(error)
            raise ToolServerError(
                f"The tool server {self.name!r} does not answer: {type(cause).__name__}: {cause}".rstrip(": "),
                where=f"environment.mcp.{self.name}",
                next_step="start it, or correct how it is started or reached, and run again",
            ) from error

    async def call(self, tool: str, arguments: RootModel[dict[str, Any]]) -> str:
        """What the tool says; an error that it reports is an observation. Raises whatever broke the connection."""
        client = await self._client()
        try:
            result = await client.call_tool(tool, arguments.root)
        except Exception as error:
            if isinstance(error, MCPError) and error.code == INVALID_PARAMS:
                return f"Error: {error}"
            self._drop()
            raise
        return _tell(result)

    async def _ask_for_list(self) -> Any:
        client = await self._client()
        try:
            return await client.list_tools()
        except Exception:
            self._drop()
            raise

    def _tool(self, listed: ListedTool) -> Tool:
        hints = listed.annotations
        return Tool(
            listed.name,
            (listed.description or listed.title or listed.name).strip(),
            SchemaArguments(listed.input_schema),
            partial(self.call, listed.name),
            is_pure=bool(hints and hints.read_only_hint),
        )

    async def _client(self) -> Client:
        loop = asyncio.get_running_loop()
        if loop is not self._loop or self._connection is None or self._connection.is_over:
            self._loop, self._connection = loop, _Connection(self._settings)
        return await self._connection.client()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Connection:
    """Opened and closed by one task, as the protocol's package demands."""

    def __init__(self, settings: McpSettings):
        self._settings = settings
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._done = asyncio.Event()
        self._task = asyncio.create_task(self._hold())

    @property
    def is_over(self) -> bool:
        return self._task.done()

    async def client(self) -> Client:
        return await asyncio.shield(self._ready)

    def close(self) -> None:
        self._done.set()

    async def _hold(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(await _open(self._settings, stack))
                self._ready.set_result(client)
                await self._done.wait()
        except BaseException as error:  # boundary: whoever waits for the connection learns of it
            if not self._ready.done():
                self._ready.set_exception(_innermost(error))
                self._ready.exception()  # nobody may be waiting any more
            elif isinstance(error, asyncio.CancelledError):
                raise


async def _open(settings: McpSettings, stack: AsyncExitStack) -> Client:
    if isinstance(settings, McpCommand):
        passed = {name: os.environ[name] for name in settings.variables if name in os.environ}
        return Client(
            StdioServerParameters(command=settings.command, args=list(settings.arguments), env=passed or None)
        )
    key = os.environ.get(settings.key_variable, "") if settings.key_variable else ""
    if not key:
        return Client(settings.url)
    http = await stack.enter_async_context(httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}))
    return Client(streamable_http_client(settings.url, http_client=http))


def _tell(result: CallToolResult) -> str:
    """The texts of a result; what is no text is named."""
    parts = [part.text if isinstance(part, TextContent) else f"[{part.type}]" for part in result.content]
    said = "\n".join(parts)
    return f"Error: {said}" if result.is_error else said


def _innermost(error: BaseException) -> BaseException:
    """Of groups of errors, the first that is none."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
