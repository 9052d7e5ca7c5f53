"""Tools of a real server of the Model Context Protocol, over both of its transports."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lib.environments.environment import CallStatus, Question, ToolCall
from lib.environments.page_index import PageIndex
from lib.environments.remote_tools import RemoteTools
from lib.environments.search import SearchEnvironment
from lib.environments.tool_desk import ToolDesk
from lib.errors import ToolServerError
from lib.settings.environment import TOOLS, EnvironmentSettings

SERVER = Path(__file__).parents[2] / "tool_server.py"
STDIO = {"type": "stdio", "command": sys.executable, "arguments": [str(SERVER), "stdio"]}
INDEX = PageIndex(["Iceland"], ["an island"])
ASKED = Question(id="q", domain="knowledge", prompt="What is the capital of Iceland?", answer="Reykjavik")


def settings(server, **values):
    return EnvironmentSettings.model_validate({"mcp": {"capitals": server}, "tool_timeout_s": 10} | values)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(port):
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.05)
    raise OSError("the server does not start")


@pytest.fixture
def address():
    port = free_port()
    process = start_server(port)
    yield {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}
    process.kill()
    process.wait()


class World:
    """What the episodes of a run share."""

    def __init__(self, server, **values):
        self.settings = settings(server, **values)
        self.desk, self.remote = ToolDesk(self.settings, pause_s=0.05), RemoteTools(self.settings.mcp)

    async def play(self, *calls):
        environment = SearchEnvironment(INDEX, self.settings, self.desk, self.remote)
        start = await environment.start(ASKED, 0)
        return start, (await environment.step(list(calls))).results


def capital(country):
    return ToolCall("capital", {"country": country})


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_an_agent_is_told_of_a_servers_tools_and_calls_them(transport, address):
    world = World(STDIO if transport == "stdio" else address)
    for _ in range(2):  # in one event loop after another
        start, results = asyncio.run(
            world.play(
                capital("Iceland"), capital("Chile"), capital("Atlantis"), ToolCall("capital", {"land": "Chile"})
            )
        )
        assert "capital(country): The capital of a country." in start.messages[0].content
        assert [tool["function"]["name"] for tool in start.tools] == [*TOOLS["knowledge"], "capital", "wait"]
        assert [result.content for result in results[:2]] == ["Reykjavik", "Santiago"]
        assert results[2].status is CallStatus.OK and "no such country: Atlantis" in results[2].content
        assert results[3].status is CallStatus.REFUSED and "'country' is a required property" in results[3].content


def test_many_episodes_share_one_connection(address):
    world = World(address, tools={"capital": {"known_results": 0}})

    async def play_all():
        return await asyncio.gather(*[world.play(capital("Iceland")) for _ in range(40)])

    assert {results[0].content for _, results in asyncio.run(play_all())} == {"Reykjavik"}


def test_a_call_that_takes_too_long_fails_and_the_next_one_does_not(address):
    world = World(address, tools={"wait": {"timeout_s": 0.3}})
    _, (slow, quick) = asyncio.run(world.play(ToolCall("wait", {"seconds": 5}), capital("Chile")))
    assert (slow.status, quick.content) == (CallStatus.FAILED, "Santiago")


def test_a_server_that_goes_away_fails_calls_and_is_found_again_when_it_is_back():
    port = free_port()
    process = start_server(port)
    world = World(
        {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"},
        tools={"capital": {"known_results": 0, "retries": 1, "timeout_s": 3}},
    )

    async def play():
        nonlocal process
        statuses = [(await world.play(capital("Chile")))[1][0].status]
        process.kill()
        process.wait()
        statuses.append((await world.play(capital("Chile")))[1][0].status)
        process = await asyncio.to_thread(start_server, port)
        return [*statuses, (await world.play(capital("Chile")))[1][0].status]

    try:
        assert asyncio.run(play()) == [CallStatus.OK, CallStatus.FAILED, CallStatus.OK]
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "server",
    [
        {"type": "http", "url": "http://127.0.0.1:9/mcp", "connect_timeout_s": 1},
        {"type": "stdio", "command": "no-such-program", "connect_timeout_s": 1},
        {"type": "stdio", "command": sys.executable, "arguments": ["-c", "0"], "connect_timeout_s": 2},
    ],
    ids=["nobody listens", "no program", "ends at once"],
)
def test_a_server_that_is_not_there_is_an_error_that_says_where(server):
    with pytest.raises(ToolServerError, match="'capitals' does not answer") as error:
        asyncio.run(World(server).play())
    assert error.value.where == "environment.mcp.capitals"


def test_a_tool_whose_name_is_taken_is_refused(address):
    both = settings(STDIO).mcp | {"others": settings(address).mcp["capitals"]}
    with pytest.raises(ToolServerError, match="two tools named 'capital'"):
        asyncio.run(RemoteTools(both).list(besides=["search"]))


def test_a_started_server_ends_with_the_run():
    asyncio.run(World(STDIO).play(capital("Chile")))
    time.sleep(0.5)
    assert not [child for child in psutil.Process().children() if str(SERVER) in " ".join(child.cmdline())]
