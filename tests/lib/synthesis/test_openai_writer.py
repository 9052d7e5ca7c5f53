"""The writer against a real HTTP server on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib.errors import EndpointError
from lib.settings.synthesis import OpenAIWriter as OpenAIWriterSettings
from lib.synthesis.openai_writer import OpenAIWriter
from lib.synthesis.writer import Draft
from tests.chat_server import ChatServer, completion, serve


def asked(body: dict) -> str:
    return f"<question>Asked: {body['messages'][1]['content'].splitlines()[0]}</question>"


@pytest.fixture
def endpoint() -> Iterator[ChatServer]:
    with serve(lambda number, body: (200, completion(asked(body)))) as server:
        yield server


def _writer(url: str, **more: object) -> OpenAIWriter:
    values = {"type": "openai", "base_url": url, "model": "m", "timeout_s": 5.0, "max_retries": 2, **more}
    return OpenAIWriter(OpenAIWriterSettings.model_validate(values), pause_s=0.01)


def _drafts(number: int) -> list[Draft]:
    return [Draft(seed=i, wordings=(), clues=(f"Clue {i}.",), answer="x") for i in range(number)]


def test_every_draft_gets_its_own_question_in_order(endpoint: ChatServer) -> None:
    writer = _writer(endpoint.url)
    assert writer.write(_drafts(12)) == [f"Asked: Clue {i}." for i in range(12)]
    assert (writer.usage.requests, writer.usage.prompt_tokens, writer.usage.completion_tokens) == (12, 120, 36)
    assert {body["model"] for body in endpoint.requests} == {"m"}


def test_no_more_requests_run_at_once_than_allowed(endpoint: ChatServer) -> None:
    endpoint.delay_s = 0.05
    _writer(endpoint.url, concurrency=3).write(_drafts(12))
    assert 2 <= endpoint.most_open <= 3


def test_the_key_comes_from_the_named_variable(endpoint: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "abc")
    _writer(endpoint.url, api_key_variable="SOME_KEY").write(_drafts(1))
    monkeypatch.delenv("SOME_KEY")
    _writer(endpoint.url, api_key_variable="SOME_KEY").write(_drafts(1))
    assert endpoint.keys == ["Bearer abc", None]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_transient_failures_are_tried_again(endpoint: ChatServer, status: int) -> None:
    endpoint.reply = lambda number, body: (status, "busy") if number <= 2 else (200, completion(asked(body)))
    assert _writer(endpoint.url).write(_drafts(1)) == ["Asked: Clue 0."]
    assert len(endpoint.requests) == 3


def test_a_refused_key_is_not_tried_again(endpoint: ChatServer) -> None:
    endpoint.reply = lambda number, body: (401, "wrong key")
    with pytest.raises(EndpointError, match="HTTP 401: wrong key"):
        _writer(endpoint.url).write(_drafts(1))
    assert len(endpoint.requests) == 1


def test_a_reply_without_a_question_gives_none(endpoint: ChatServer) -> None:
    endpoint.reply = lambda number, body: (200, completion("I would rather not."))
    assert _writer(endpoint.url).write(_drafts(2)) == [None, None]


def test_a_reply_that_is_no_completion_is_an_endpoint_error(endpoint: ChatServer) -> None:
    endpoint.reply = lambda number, body: (200, "<html>hello</html>")
    with pytest.raises(EndpointError, match="no chat completion"):
        _writer(endpoint.url).write(_drafts(1))


def test_a_slow_endpoint_runs_into_the_timeout(endpoint: ChatServer) -> None:
    endpoint.delay_s = 1.0
    with pytest.raises(EndpointError, match="ReadTimeout"):
        _writer(endpoint.url, timeout_s=0.1, max_retries=1).write(_drafts(1))


def test_an_endpoint_that_is_down_says_what_is_kept_and_what_to_do() -> None:
    with pytest.raises(EndpointError) as raised:
        _writer("http://127.0.0.1:9/v1", max_retries=1).write(_drafts(3))
    message = str(raised.value)
    assert "fails after 2 attempts" in message and "where: http://127.0.0.1:9/v1" in message
    assert "kept: the graph" in message and "synthesis.writer.type=template" in message


def test_synthesis_runs_on_an_endpoint(endpoint: ChatServer, towns: Path, make_questions: Callable) -> None:
    def reply(number: int, body: dict) -> tuple[int, str]:
        return 200, completion(f"<question>What stands at the end of riddle number {number}?</question>")

    endpoint.reply = reply
    writer = {"type": "openai", "base_url": endpoint.url, "model": "m", "concurrency": 4}
    rows, _ = make_questions(towns, num_questions=12, writer=writer, duplicate_threshold=1.0)
    assert len(rows) == 12
    assert {row["writer"] for row in rows} == {"openai"}
    assert all(row["prompt"].startswith("What stands at the end") for row in rows)
