"""The writer against a real HTTP server on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib.errors import EndpointError
from lib.reply_log import ReplyLog
from lib.settings.synthesis import OpenAIWriter as OpenAIWriterSettings
from lib.synthesis.openai_writer import OpenAIWriter
from lib.synthesis.writer import NO_WORDS, Draft, Wording
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
    assert writer.write(_drafts(12)) == [Wording(f"Asked: Clue {i}.") for i in range(12)]
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
    assert _writer(endpoint.url).write(_drafts(1)) == [Wording("Asked: Clue 0.")]
    assert len(endpoint.requests) == 3


def test_a_refused_key_is_not_tried_again(endpoint: ChatServer) -> None:
    endpoint.reply = lambda number, body: (401, "wrong key")
    with pytest.raises(EndpointError, match="HTTP 401: wrong key"):
        _writer(endpoint.url).write(_drafts(1))
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("text", ["I would rather not.", "<question> </question>"])
def test_a_reply_without_a_question_leaves_its_draft_without_words(endpoint: ChatServer, text: str) -> None:
    endpoint.reply = lambda number, body: (200, completion(text))
    assert _writer(endpoint.url).write(_drafts(2)) == [NO_WORDS, NO_WORDS]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_draft_is_dropped_alone(endpoint: ChatServer, status: int) -> None:
    def reply(number: int, body: dict) -> tuple[int, str]:
        refused = "Clue 3." in body["messages"][1]["content"]
        return (status, "content rules") if refused else (200, completion(asked(body)))

    endpoint.reply = reply
    written = _writer(endpoint.url).write(_drafts(30))
    assert [wording.prompt for wording in written] == [f"Asked: Clue {i}." if i != 3 else "" for i in range(30)]
    assert written[3].reason == "the endpoint refused the draft"
    assert f"HTTP {status}: content rules" in written[3].detail


def test_an_endpoint_that_refuses_every_draft_is_an_endpoint_error(endpoint: ChatServer) -> None:
    endpoint.reply = lambda number, body: (400, "unknown parameter: seed")
    with pytest.raises(EndpointError, match="each of its first 20 requests.*unknown parameter: seed"):
        _writer(endpoint.url, concurrency=1).write(_drafts(500))
    assert len(endpoint.requests) == 20


def test_a_reply_that_is_no_completion_is_an_endpoint_error(endpoint: ChatServer) -> None:
    endpoint.reply = lambda number, body: (200, "<html>hello</html>")
    with pytest.raises(EndpointError, match="no chat completion"):
        _writer(endpoint.url).write(_drafts(1))


def test_a_slow_endpoint_runs_into_the_timeout(endpoint: ChatServer) -> None:
    endpoint.delay_s = 1.0
    with pytest.raises(EndpointError, match="no whole answer within 0.1 s"):
        _writer(endpoint.url, timeout_s=0.1, max_retries=1).write(_drafts(1))


def test_an_endpoint_that_is_down_says_what_to_do() -> None:
    with pytest.raises(EndpointError) as raised:
        _writer("http://127.0.0.1:9/v1", max_retries=1).write(_drafts(3))
    message = str(raised.value)
    assert "fails after 2 attempts" in message and "where: http://127.0.0.1:9/v1" in message
    assert "synthesis.writer.type=template" in message


def riddle(number: int, body: dict) -> tuple[int, str]:
    """A question of its own for every seed."""
    return 200, completion(f"<question>What stands at the end of riddle number {body['seed']}?</question>")


def _openai(url: str, **more: object) -> dict:
    return {"type": "openai", "base_url": url, "model": "m", "concurrency": 4, "max_retries": 2, **more}


def test_synthesis_runs_on_an_endpoint(endpoint: ChatServer, towns: Path, make_questions: Callable) -> None:
    endpoint.reply = riddle
    rows, _ = make_questions(towns, num_questions=12, writer=_openai(endpoint.url), duplicate_threshold=1.0)
    assert len(rows) == 12
    assert {row["writer"] for row in rows} == {"openai"}
    assert all(row["prompt"].startswith("What stands at the end") for row in rows)


def test_the_funnel_counts_refused_drafts_and_shows_what_the_endpoint_said(
    endpoint: ChatServer, towns: Path, make_questions: Callable
) -> None:
    endpoint.reply = lambda number, body: (400, "content rules") if number in (2, 7) else riddle(number, body)
    rows, funnel = make_questions(towns, num_questions=12, writer=_openai(endpoint.url), duplicate_threshold=1.0)
    assert len(rows) == 12
    (refused,) = [row for row in funnel if row["reason"] == "the endpoint refused the draft"]
    assert (refused["filter"], refused["count"]) == ("writer", 2)
    assert "HTTP 400: content rules" in refused["example"]


def test_replies_outlive_an_endpoint_that_dies_and_are_paid_for_once(
    endpoint: ChatServer, towns: Path, make_questions: Callable, tmp_path: Path
) -> None:
    asked_for = {"num_questions": 40, "writer": _openai(endpoint.url), "duplicate_threshold": 1.0}
    endpoint.reply = riddle
    whole = make_questions(towns, **asked_for)
    seeds = {body["seed"] for body in endpoint.requests}

    (tmp_path / "scratch").mkdir()
    endpoint.requests.clear()
    endpoint.reply = lambda number, body: riddle(number, body) if number <= 20 else (401, "the key has run out")
    with pytest.raises(EndpointError) as raised:
        make_questions(towns, scratch=tmp_path / "scratch", **asked_for)
    kept = len((tmp_path / "scratch" / "writer.jsonl").read_text().splitlines())
    assert 16 <= kept <= 20
    assert f"kept: the graph, and {kept} replies, which the next run does not ask for again" in str(raised.value)

    endpoint.requests.clear()
    endpoint.reply = riddle
    assert make_questions(towns, scratch=tmp_path / "scratch", **asked_for) == whole
    assert len({body["seed"] for body in endpoint.requests}) == len(seeds) - kept


def test_the_tokens_of_a_kept_reply_are_counted_once(endpoint: ChatServer, tmp_path: Path) -> None:
    settings = OpenAIWriterSettings.model_validate(_openai(endpoint.url))
    OpenAIWriter(settings, log=ReplyLog(tmp_path / "log")).write(_drafts(3))
    again = OpenAIWriter(settings, log=ReplyLog(tmp_path / "log"))
    again.write(_drafts(5))
    again.write(_drafts(5))
    assert (len(endpoint.requests), again.usage.kept, again.usage.tokens) == (5, 5, 5 * 13)
    assert again.usage.note() == ", 5 requests, 50 + 15 tokens"


def test_a_kept_reply_answers_only_what_it_was_asked(endpoint: ChatServer, tmp_path: Path) -> None:
    for more in ({}, {"model": "other"}, {"temperature": 0.9}):
        settings = OpenAIWriterSettings.model_validate(_openai(endpoint.url, **more))
        OpenAIWriter(settings, log=ReplyLog(tmp_path / "log")).write(_drafts(2))
    assert len(endpoint.requests) == 6
