"""Calls have places, time and further attempts, and what breaks is put into words."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from pydantic import BaseModel

from lib.environments.environment import CallStatus, ToolCall
from lib.environments.tool_desk import THREADS, ToolDesk
from lib.environments.tools import Tool, ToolError, ToolReport
from lib.settings.environment import EnvironmentSettings


class Arguments(BaseModel):
    word: str = ""


class Counted:
    """A tool's function that counts its calls, and how many of them ran at once."""

    def __init__(self, seconds=0.0, faults=()):
        self._seconds, self._faults = seconds, list(faults)
        self.calls = self.at_once = self.most_at_once = 0

    async def __call__(self, arguments):
        return await self.run(arguments)

    async def run(self, arguments):
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self.at_once -= 1
        if self._faults and (fault := self._faults.pop(0)):
            raise fault
        return f"{arguments.word}!"


def desk(**tool):
    settings = EnvironmentSettings.model_validate({"tool_timeout_s": 0.2, "tools": {"t": tool}})
    return ToolDesk(settings, pause_s=0.001)


def tools_of(function, *, pure=False):
    return {"t": Tool("t", "", Arguments, function, is_pure=pure)}


def ask(chosen, tools, *words, scope="q"):
    """All at once, each on behalf of an episode of its own."""

    async def run():
        return await asyncio.gather(*[chosen.call(tools, ToolCall("t", {"word": word}), scope=scope) for word in words])

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("seconds", "fault", "words"), [(60, None, "no result within 0.2 s"), (0, OSError("on fire"), "failed: OSError")]
)
def test_a_tool_that_breaks_or_hangs_is_a_failed_result(seconds, fault, words):
    (result,) = ask(desk(), tools_of(Counted(seconds, [fault]).run), "a")
    assert result.status is CallStatus.FAILED and words in result.content


def test_what_a_policy_got_wrong_is_refused_and_never_repeated():
    counted = Counted(faults=[ToolError("there is no such page")])
    (result,) = ask(desk(retries=3), tools_of(counted.run, pure=True), "a")
    assert result.status is CallStatus.REFUSED and result.content == "Error: there is no such page"
    assert counted.calls == 1


def test_calls_beyond_the_places_wait_and_their_time_begins_when_they_have_one():
    counted = Counted(seconds=0.1)
    results = ask(desk(limit=2), tools_of(counted.run), *"abcdefgh")
    assert [result.content for result in results] == [f"{word}!" for word in "abcdefgh"]
    assert counted.most_at_once == 2


def test_a_pure_tool_that_breaks_is_asked_again_and_another_is_not():
    for pure, calls, status in ((True, 3, CallStatus.OK), (False, 1, CallStatus.FAILED)):
        counted = Counted(faults=[OSError("away"), OSError("away")])
        (result,) = ask(desk(retries=2), tools_of(counted.run, pure=pure), "a")
        assert (counted.calls, result.status) == (calls, status)


def test_equal_calls_of_a_pure_tool_are_made_once_in_one_scope():
    counted, chosen = Counted(seconds=0.05), desk()
    tools = tools_of(counted.run, pure=True)
    assert [result.content for result in ask(chosen, tools, *"aab")] == ["a!", "a!", "b!"]
    assert counted.calls == 2
    ask(chosen, tools, "a")  # in another event loop
    assert counted.calls == 2
    ask(chosen, tools, "a", scope="another question")
    assert counted.calls == 3


def test_no_more_results_are_known_than_the_settings_say():
    counted, chosen = Counted(), desk(known_results=2)
    for word in "abcab":
        ask(chosen, tools_of(counted.run, pure=True), word)
    assert counted.calls == 5
    ask(desk(known_results=0), tools_of(counted.run, pure=True), "a", "a")
    assert counted.calls == 7


def test_who_waits_for_the_same_call_has_its_result_when_the_first_to_ask_is_gone():
    counted, chosen = Counted(seconds=0.05), desk()
    tools = tools_of(counted.run, pure=True)

    async def run():
        first = asyncio.create_task(chosen.call(tools, ToolCall("t", {"word": "a"}), scope=""))
        second = asyncio.create_task(chosen.call(tools, ToolCall("t", {"word": "a"}), scope=""))
        await asyncio.sleep(0.01)
        first.cancel()
        return await second

    assert asyncio.run(run()).content == "a!"
    assert counted.calls == 1


def test_a_failure_is_not_remembered():
    counted, chosen = Counted(faults=[OSError("away")]), desk(retries=0)
    tools = tools_of(counted.run, pure=True)
    assert [ask(chosen, tools, "a")[0].status for _ in range(2)] == [CallStatus.FAILED, CallStatus.OK]


def test_functions_that_are_not_asynchronous_run_in_threads_side_by_side():
    together = threading.Barrier(4)

    def slow(arguments):
        together.wait(20)
        return threading.current_thread().name

    results = ask(desk(timeout_s=30), tools_of(slow), *"abcd")
    assert len({result.content for result in results} - {threading.current_thread().name}) == 4


def test_a_call_s_time_begins_when_it_has_a_thread():
    def slow(arguments):
        time.sleep(1.0)
        return "!"

    results = ask(desk(timeout_s=2.5), tools_of(slow), *map(str, range(4 * THREADS)))
    assert {result.status for result in results} == {CallStatus.OK}


def test_functions_that_hang_take_no_thread_from_anybody_else():
    hung = threading.Event()

    async def run():
        chosen, tools = desk(timeout_s=0.1), tools_of(lambda arguments: hung.wait(60) and "!")
        calls = [chosen.call(tools, ToolCall("t", {}), scope="") for _ in range(THREADS)]
        results = await asyncio.gather(*calls)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 30) == "free"
        return results

    try:
        assert {result.status for result in asyncio.run(run())} == {CallStatus.FAILED}
    finally:
        hung.set()


def test_an_object_whose_call_is_asynchronous_is_no_function_that_blocks():
    (result,) = ask(desk(), tools_of(Counted()), "a")
    assert result.content == "a!"


def test_calls_of_one_turn_are_side_by_side_only_where_they_leave_no_trace():
    for pure, most in ((True, 3), (False, 1)):
        counted = Counted(seconds=0.02)
        calls = [ToolCall("t", {"word": word}) for word in "abc"]
        results = asyncio.run(desk().call_all(tools_of(counted.run, pure=pure), calls, scope=""))
        assert [result.content for result in results] == ["a!", "b!", "c!"]
        assert counted.most_at_once == most


def test_what_a_tool_reports_is_an_observation_of_that_call_alone():
    counted, chosen = Counted(faults=[ToolReport("too many requests")]), desk(retries=2)
    tools = tools_of(counted.run, pure=True)
    first, second = ask(chosen, tools, "a")[0], ask(chosen, tools, "a")[0]
    assert (first.status, first.content) == (CallStatus.OK, "Error: too many requests")
    assert (second.content, counted.calls) == ("a!", 2)


def test_what_is_known_of_one_tool_does_not_push_out_what_is_known_of_another():
    settings = EnvironmentSettings.model_validate({"tools": {"few": {"known_results": 1}}})
    chosen, many, few = ToolDesk(settings), Counted(), Counted()
    tools = {
        "many": Tool("many", "", Arguments, many.run, is_pure=True),
        "few": Tool("few", "", Arguments, few.run, is_pure=True),
    }
    for name, word in (("many", "a"), ("many", "b"), ("few", "c"), ("few", "d"), ("many", "a"), ("many", "b")):
        asyncio.run(chosen.call(tools, ToolCall(name, {"word": word}), scope=""))
    assert (many.calls, few.calls) == (2, 2)
