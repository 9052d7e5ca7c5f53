"""The client of chat completions against a real HTTP server on this machine."""

from __future__ import annotations

import asyncio
import time

import pytest

from lib.chat_endpoint import ChatEndpoint
from lib.errors import EndpointAwayError, EndpointError, RequestRefusedError
from lib.settings.endpoint import EndpointSettings
from tests.chat_server import completion, serve

HELLO = [{"role": "user", "content": "hello"}]


def client(url, **more):
    settings = EndpointSettings.model_validate({"base_url": url, "model": "m", "timeout_s": 5.0, **more})
    return ChatEndpoint(settings, pause_s=0.01)


def ask(endpoint, items=(0,), **more):
    async def one(item):
        return await endpoint.complete(HELLO, temperature=0.5, seed=item, **more)

    return endpoint.work_through(one, items)


def test_a_request_carries_what_was_asked_and_a_reply_says_whether_it_was_cut():
    with serve(lambda number, body: (200, completion("hi", "length" if number == 1 else "stop"))) as server:
        endpoint = client(server.url)
        (first,) = ask(endpoint, [2**40 + 3], max_tokens=7)
        (second,) = ask(endpoint)
    assert (first.text, first.is_cut, second.is_cut) == ("hi", True, False)
    assert server.requests[0] == {"model": "m", "temperature": 0.5, "seed": 3, "messages": HELLO, "max_tokens": 7}
    assert "max_tokens" not in server.requests[1]
    assert endpoint.usage.note() == ", 2 requests, 20 + 6 tokens"


@pytest.mark.parametrize(("status", "kind"), [(400, RequestRefusedError), (422, RequestRefusedError)])
def test_a_refused_request_is_told_from_an_endpoint_that_fails(status, kind):
    with serve(lambda number, body: (status, "too long")) as server, pytest.raises(kind, match="after 1 attempt: HTTP"):
        ask(client(server.url))
    with serve(lambda number, body: (401, "no key")) as server, pytest.raises(EndpointError) as raised:
        ask(client(server.url))
    assert not isinstance(raised.value, RequestRefusedError | EndpointAwayError)


def test_an_endpoint_that_is_away_or_overloaded_is_told_from_one_that_refuses():
    with serve(lambda number, body: (503, "busy")) as server, pytest.raises(EndpointAwayError):
        ask(client(server.url))
    with pytest.raises(EndpointAwayError):
        ask(client("http://127.0.0.1:9/v1"))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/v1", "http://127.0.0.1:port/v1", "127.0.0.1"])
def test_an_address_that_is_none_is_an_endpoint_error_at_once(url):
    with pytest.raises(EndpointError, match="after 1 attempt"):
        ask(client(url))


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "<html>",
        '{"choices": []}',
        '{"choices": [{"message": null}]}',
        '{"choices": [{"message": {"content": [{"type": "text"}]}}]}',
        "null",
        "[" * 5000 + "]" * 5000,
        '{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": Infinity}}',
        '{"error": "x"}',
    ],
)
def test_any_other_json_is_no_completion(body):
    with serve(lambda number, _: (200, body)) as server, pytest.raises(EndpointError, match="no chat completion"):
        ask(client(server.url))


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "Set SOME_KEY"), (404, "the model's name"), (429, "lower concurrency"), (500, "the endpoint's own log")],
)
def test_the_advice_follows_from_the_status(status, advice):
    with serve(lambda number, body: (status, "no")) as server, pytest.raises(EndpointError) as raised:
        ask(client(server.url, api_key_variable="SOME_KEY", max_retries=0))
    assert f"HTTP {status}" in raised.value.what and advice in raised.value.next_step


def test_an_endpoint_that_never_answers_is_given_up_after_its_time():
    with serve(lambda number, body: (200, completion("late"))) as server:
        server.delay_s = 1.0
        with pytest.raises(EndpointError, match="no whole answer within 0.2 s") as raised:
            ask(client(server.url, timeout_s=0.2, max_retries=0))
    assert "timeout_s" in raised.value.next_step


def test_an_endpoint_that_drips_is_given_up_after_its_time():
    with serve(lambda number, body: (200, completion("drop by drop"))) as server:
        server.drip_s = 0.1
        started = time.perf_counter()
        with pytest.raises(EndpointError, match="after 2 attempts: no whole answer within 0.4 s"):
            ask(client(server.url, timeout_s=0.4, max_retries=1))
    assert time.perf_counter() - started < 4
    assert len(server.requests) == 2


def test_half_of_a_surrogate_pair_in_a_reply_becomes_a_sign_that_can_be_written():
    with serve(lambda number, body: (200, completion("a \ud83d b \ud83d\ude00 c \ude00"))) as server:
        (reply,) = ask(client(server.url))
    assert "\\ud83d" in completion("\ud83d")
    assert reply.text == "a \ufffd b \U0001f600 c \ufffd"
    assert reply.text.encode()


@pytest.mark.parametrize("key", ["sécret", "secret\nX: y"])
def test_a_key_that_no_header_can_hold_is_named_but_not_shown(monkeypatch, key):
    monkeypatch.setenv("SOME_KEY", key)
    with serve(lambda number, body: (200, completion("hi"))) as server, pytest.raises(EndpointError) as raised:
        ask(client(server.url, api_key_variable="SOME_KEY"))
    assert "SOME_KEY" in str(raised.value) and "cret" not in str(raised.value)
    assert server.requests == []


def test_a_key_read_from_a_file_may_end_in_a_line_break(monkeypatch):
    monkeypatch.setenv("SOME_KEY", "secret\n")
    with serve(lambda number, body: (200, completion("hi"))) as server:
        ask(client(server.url, api_key_variable="SOME_KEY"))
    assert server.keys == ["Bearer secret"]


def test_the_first_failure_ends_the_work_that_is_still_in_flight():
    ended = []

    async def work(item):
        try:
            if item == 0:
                await endpoint.complete(HELLO, temperature=0, seed=0)
            await asyncio.sleep(30)
        finally:
            ended.append(item)

    with serve(lambda number, body: (403, "no")) as server:
        endpoint = client(server.url)
        started = time.perf_counter()
        with pytest.raises(EndpointError, match="HTTP 403"):
            endpoint.work_through(work, range(5))
    assert time.perf_counter() - started < 10
    assert sorted(ended) == list(range(5))
