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
from mcp.types import CONNECTION_CLOSED, INVALID_PARAMS, CallToolResult, TextContent
from mcp.types import Tool as ListedTool
from pydantic import RootModel, ValidationError
from tenacity import AsyncRetrying, stop_after_delay, wait_exponential

from lib.environments.tools import SchemaArguments, Tool, ToolReport
from lib.errors import ToolServerError
from lib.settings.environment import McpCommand, McpSettings

MOST_SILENT = 3  # calls in a row without an answer in time, after which the connection counts as dead


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
                return [self._tool(listed) for listed in await patience(self._ask_for_list)]
        except Exception as error:  # boundary: whatever a server, a process or a network does
            cause = _innermost(error)
            raise ToolServerError(
                f"The tool server {self.name!r} does not answer: {type(cause).__name__}: {cause}".rstrip(": "),
                where=f"environment.mcp.{self.name}",
                next_step="start it, or correct how it is started or reached, and run again",
            ) from error

    async def call(self, tool: str, arguments: RootModel[dict[str, Any]]) -> str:
        """What the tool says. Raises ToolReport for an error that it reports, and whatever broke the call."""
        connection = self._connect()
        try:
            client = await connection.client()
            result = await client.call_tool(tool, arguments.root)
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                self._drop(connection)
            if error.code == INVALID_PARAMS:
                raise ToolReport(str(error)) from error
            raise
        except asyncio.CancelledError:  # its time is over
            connection.num_silent += 1
            if connection.num_silent >= MOST_SILENT:
                self._drop(connection)
            raise
        except ValidationError:  # of this one result
            raise
        except Exception:
            self._drop(connection)
            raise
        connection.num_silent = 0
        said = _tell(result)
        if result.is_error:
            raise ToolReport(said)
        return said

    async def _ask_for_list(self) -> list[ListedTool]:
        connection = self._connect()
        try:
            client, found, cursor = await connection.client(), [], None
            while True:
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                if not (cursor := page.next_cursor):
                    return found
        except Exception:
            self._drop(connection)
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

    def _connect(self) -> _Connection:
        """The connection of this event loop; a new one where there is none or it is over."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop or self._connection is None or self._connection.is_over:
            self._loop, self._connection = loop, _Connection(self._settings)
        return self._connection

    def _drop(self, connection: _Connection) -> None:
        """Another call may have opened a new one meanwhile, which stays."""
        connection.close()
        if self._connection is connection:
            self._connection = None


class _Connection:
    """Opened and closed by one task, as the protocol's package demands."""

    def __init__(self, settings: McpSettings):
        self._settings = settings
        self.num_silent = 0  # calls in a row that ran out of time
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
                async with asyncio.timeout(self._settings.connect_timeout_s):
                    client = await stack.enter_async_context(await _open(self._settings, stack))
                self._ready.set_result(client)
                await self._done.wait()
        except BaseException as error:  # boundary: whoever waits for the connection learns of it
            if not self._ready.done():
                cause = _innermost(error)
                self._ready.set_exception(
                    cause if isinstance(cause, Exception) else OSError("the connection was given up")
                )
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
    return "\n".join(parts)


def _innermost(error: BaseException) -> BaseException:
    """Of groups of errors, the first that is none."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
