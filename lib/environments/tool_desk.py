"""Carries out the tool calls of all episodes: checked arguments, places, time, further attempts, an error in words.

In: a call and the tools of its episode. Out: its result, whatever happens. A tool has so many places; calls beyond them
wait, which holds their episodes back and nobody else, and the time of a call begins with its place. Of a pure tool,
equal calls are made once and a call that broke is made again, after a pause.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

from pydantic import BaseModel, ValidationError
from tenacity import AsyncRetrying, retry_if_not_exception_type, stop_after_attempt, wait_random_exponential

from lib.environments.environment import CallResult, CallStatus, Content, ToolCall
from lib.environments.tools import Tool, ToolError, ToolReport
from lib.settings.environment import EnvironmentSettings, ToolSettings

LONGEST_PAUSE_S = 10.0
THREADS = 32  # for functions that block


class ToolDesk:
    """Shared by the episodes of a world.

    Args:
        timeout_s: of tools for which the settings name no time of their own; default: environment.tool_timeout_s.
        pause_s: the first pause before a further attempt.
    """

    def __init__(self, settings: EnvironmentSettings, *, timeout_s: float | None = None, pause_s: float = 0.5):
        self._settings = settings
        self._timeout_s, self._pause_s = timeout_s or settings.tool_timeout_s, pause_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places: dict[str, asyncio.Semaphore] = {}
        self._flights: dict[str, asyncio.Future[Content]] = {}  # calls of pure tools that are being made
        # Of their own: tools that hang in the threads that asyncio has for everybody would hang the engine, too.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tool")
        self._free_threads = asyncio.Semaphore(THREADS)
        self._known: defaultdict[str, OrderedDict[str, Content]] = defaultdict(OrderedDict)  # by tool

    async def call_all(self, tools: Mapping[str, Tool], calls: Sequence[ToolCall], *, scope: str) -> list[CallResult]:
        """The results of one turn's calls, in order; side by side where none of them leaves a trace.

        Args:
            scope: what results depend on beside the arguments, for instance the question.
        """
        if all(call.name in tools and tools[call.name].is_pure for call in calls):
            return await asyncio.gather(*[self.call(tools, call, scope=scope) for call in calls])
        return [await self.call(tools, call, scope=scope) for call in calls]

    async def call(self, tools: Mapping[str, Tool], call: ToolCall, *, scope: str) -> CallResult:
        """Never raises for anything that a policy wrote or a tool did."""
        started = time.perf_counter()

        def result(status: CallStatus, content: Content) -> CallResult:
            return CallResult(call, status, content, time.perf_counter() - started)

        tool = tools.get(call.name)
        if tool is None:
            return result(CallStatus.REFUSED, f"Error: there is no tool {call.name!r}; tools: {', '.join(tools)}")
        try:
            arguments = tool.arguments.model_validate(call.arguments)
        except ValidationError as error:
            return result(CallStatus.REFUSED, f"Error: {call.name}: {_first_fault(error)}")
        except ToolError as error:
            return result(CallStatus.REFUSED, f"Error: {call.name}: {error}")
        wanted = self._settings.tools.get(call.name, ToolSettings())
        try:
            return result(CallStatus.OK, await self._find(tool, arguments, wanted, scope))
        except ToolError as error:
            return result(CallStatus.REFUSED, f"Error: {error}")
        except ToolReport as report:
            return result(CallStatus.OK, f"Error: {report}")
        except TimeoutError:
            limit = wanted.timeout_s or self._timeout_s
            return result(CallStatus.FAILED, f"Error: {call.name} gave no result within {limit:g} s")
        except Exception as error:  # boundary: a broken tool is the episode's result, not its end
            return result(CallStatus.FAILED, f"Error: {call.name} failed: {type(error).__name__}")

    async def _find(self, tool: Tool, arguments: BaseModel, wanted: ToolSettings, scope: str) -> Content:
        """What is known, what another episode is asking for already, or what the tool says now."""
        self._enter_loop()
        if not (tool.is_pure and wanted.known_results):
            return await self._make(tool, arguments, wanted)
        key = json.dumps([scope, tool.name, arguments.model_dump(mode="json")], sort_keys=True)
        known = self._known[tool.name]
        if key in known:
            known.move_to_end(key)
            return known[key]
        if key not in self._flights:
            # A task of its own: the episode that asked first may end before the others have their result.
            flight = asyncio.ensure_future(self._make(tool, arguments, wanted))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done, known, wanted.known_results))
        return await asyncio.shield(self._flights[key])

    def _land(self, key: str, flight: asyncio.Future[Content], known: OrderedDict[str, Content], most: int) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled() and flight.exception() is None:
            known[key] = flight.result()
            while len(known) > most:
                known.popitem(last=False)

    async def _make(self, tool: Tool, arguments: BaseModel, wanted: ToolSettings) -> Content:
        attempts = AsyncRetrying(
            stop=stop_after_attempt(1 + (wanted.retries if tool.is_pure else 0)),
            wait=wait_random_exponential(multiplier=self._pause_s, max=LONGEST_PAUSE_S),
            retry=retry_if_not_exception_type((ToolError, ToolReport, asyncio.CancelledError)),
            reraise=True,
        )
        async with self._place_of(tool.name, wanted):
            return await attempts(self._run, tool.run, arguments, wanted.timeout_s or self._timeout_s)

    async def _run(
        self, function: Callable[[BaseModel], Awaitable[Content] | Content], arguments: BaseModel, timeout_s: float
    ) -> Content:
        if _is_async(function):
            return await asyncio.wait_for(function(arguments), timeout_s)
        await self._free_threads.acquire()
        work = asyncio.get_running_loop().run_in_executor(self._threads, function, arguments)
        # Not when the call's time is up: until the function returns, nobody else can have its thread.
        work.add_done_callback(partial(_free, self._free_threads))
        return await asyncio.wait_for(asyncio.shield(work), timeout_s)

    def _place_of(self, name: str, wanted: ToolSettings) -> asyncio.Semaphore | nullcontext[None]:
        if wanted.limit is None:
            return nullcontext()
        if name not in self._places:
            self._places[name] = asyncio.Semaphore(wanted.limit)
        return self._places[name]

    def _enter_loop(self) -> None:
        """Places and calls belong to an event loop; what is known does not."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._places, self._flights = loop, {}, {}
            self._free_threads = asyncio.Semaphore(THREADS)


def _is_async(function: Callable[[BaseModel], object]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _free(places: asyncio.Semaphore, _: asyncio.Future[Content]) -> None:
    places.release()


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    return f"{key}: {fault['msg']}" if key else fault["msg"]
