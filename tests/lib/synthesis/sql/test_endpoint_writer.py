"""Questions in a model's words, checked by what the model answers to them; the endpoint is real and on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.errors import EndpointError
from lib.settings.synthesis import OpenAIWriter as OpenAIWriterSettings
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.read import read_database
from lib.sources.sql.schema import Database
from lib.synthesis.openai_writer import REFUSED
from lib.synthesis.sql.endpoint_writer import EndpointWriter, SqlDraft
from lib.synthesis.writer import NO_WORDS, Wording
from tests.chat_server import ChatServer, completion, serve
from tests.small_databases import ENDLESS, MUSIC, write_sqlite

AGES = (28, 30, 99)  # of singers: two are above, one is, none is


def gold(age: int) -> str:
    return f"SELECT name FROM singer WHERE age > {age}"


def question(age: int) -> str:
    return f"Who is older than {age}?"


def is_translation(body: dict) -> bool:
    return "<sql>" in body["messages"][0]["content"]


def age_of(body: dict) -> int:
    return next(age for age in AGES if str(age) in body["messages"][1]["content"].split("\n")[-1])


def honest(number: int, body: dict) -> tuple[int, str]:
    """Words every query, and translates back with another query of the same result."""
    age = age_of(body)
    if is_translation(body):
        return 200, completion(f"<sql>\nSELECT s.name FROM singer s WHERE NOT s.age <= {age}\n</sql>")
    return 200, completion(f"<question> {question(age)} </question>")


def translating(text: str):
    """Words as the honest one does, and answers each question with this text."""
    return lambda number, body: (200, completion(text)) if is_translation(body) else honest(number, body)


@pytest.fixture
def endpoint() -> Iterator[ChatServer]:
    with serve(honest) as server:
        yield server


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return read_database(write_sqlite(tmp_path_factory.mktemp("db") / "music.sqlite", MUSIC))


@pytest.fixture
def make_writer(endpoint: ChatServer, tmp_path: Path, pool: Pool):
    def make(**more: object) -> EndpointWriter:
        values = {"type": "openai", "base_url": endpoint.url, "model": "m", "timeout_s": 5.0, "max_retries": 1, **more}
        settings = OpenAIWriterSettings.model_validate(values)
        return EndpointWriter(settings, scratch=tmp_path, pool=pool, pause_s=0.01)

    return make


def drafts(database: Database, *golds: str) -> list[SqlDraft]:
    queries = golds or [gold(age) for age in AGES]
    return [
        SqlDraft(seed=place, wordings=(f"Stiff sentence {place}.",), clues=(), answer=sql, database=database)
        for place, sql in enumerate(queries)
    ]


def test_questions_whose_back_translation_gives_the_gold_result_are_kept_in_order(make_writer, endpoint, music):
    writer = make_writer()
    assert writer.write(drafts(music)) == [Wording(question(age)) for age in AGES]
    assert (writer.usage.requests, writer.usage.tokens) == (6, 6 * 13)
    assert writer.name == "openai"


def test_the_writer_sees_tables_sentence_and_query_and_the_translator_only_tables_and_question(
    make_writer, endpoint, music
):
    make_writer().write(drafts(music, gold(28)))
    told, asked = [body["messages"][1]["content"] for body in endpoint.requests]
    for part in ("song(", "singer(", "Sentence: Stiff sentence 0.", f"Answer: {gold(28)}"):
        assert part in told
    assert "song(" in asked and asked.endswith(f"\n\n{question(28)}")
    assert "SELECT" not in asked and "Stiff" not in asked
    assert "one sqlite query" in endpoint.requests[1]["messages"][0]["content"]
    assert endpoint.requests[1]["temperature"] == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<sql>SELECT name FROM singer WHERE age > 40</sql>", "back-translation gives another result"),
        ("<sql>SELECT shoe FROM singer</sql>", "back-translation gives another result"),
        ("<sql>DROP TABLE singer</sql>", "back-translation gives another result"),
        (f"<sql>{ENDLESS}</sql>", "back-translation gives another result"),
        ("SELECT name FROM singer WHERE age > 28", "back-translation gave no query"),
        ("<sql> </sql>", "back-translation gave no query"),
        ("", "back-translation gave no query"),
    ],
)
def test_a_question_that_is_answered_otherwise_is_dropped_with_its_reason(make_writer, endpoint, music, text, reason):
    endpoint.reply = translating(text)
    assert make_writer().write(drafts(music, gold(28))) == [Wording("", reason, question(28))]


def test_the_order_of_rows_is_compared_where_the_gold_query_orders_them(make_writer, endpoint, music):
    ordered, plain = f"{gold(28)} ORDER BY age", gold(28)
    endpoint.reply = translating(f"<sql>{gold(28)} ORDER BY age DESC</sql>")
    assert [wording.reason for wording in make_writer().write(drafts(music, ordered, plain))] == [
        "back-translation gives another result",
        "",
    ]


def test_a_draft_without_words_is_not_translated(make_writer, endpoint, music):
    endpoint.reply = lambda number, body: (
        (200, completion("I would rather not.")) if age_of(body) == 30 else honest(number, body)
    )
    assert make_writer().write(drafts(music)) == [Wording(question(28)), NO_WORDS, Wording(question(99))]
    assert len(endpoint.requests) == 5


@pytest.mark.parametrize("of_translations", [True, False])
def test_a_refused_request_drops_its_question_alone(make_writer, endpoint, music, of_translations):
    def reply(number, body):
        refused = is_translation(body) == of_translations and age_of(body) == 30
        return (400, "against our rules") if refused else honest(number, body)

    endpoint.reply = reply
    first, refused, last = make_writer().write(drafts(music))
    assert (first, last) == (Wording(question(28)), Wording(question(99)))
    assert (refused.prompt, refused.reason) == ("", REFUSED) and "against our rules" in refused.detail


def test_an_endpoint_that_fails_for_good_is_an_error_with_what_to_do(make_writer, endpoint, music):
    endpoint.reply = lambda number, body: (401, "wrong key")
    with pytest.raises(EndpointError, match="No question can be written") as raised:
        make_writer().write(drafts(music))
    assert "synthesis.writer.type=template" in raised.value.next_step
    endpoint.reply = lambda number, body: (401, "wrong key") if is_translation(body) else honest(number, body)
    with pytest.raises(EndpointError, match="No question can be checked by back-translation") as raised:
        make_writer().write(drafts(music))
    assert "synthesis.writer.type=template" in raised.value.next_step


def test_replies_outlive_a_failure_and_are_not_asked_for_twice(make_writer, endpoint, music):
    endpoint.reply = lambda number, body: honest(number, body) if number <= 4 else (401, "the key has run out")
    with pytest.raises(EndpointError):
        make_writer(concurrency=1).write(drafts(music))
    assert len(endpoint.requests) == 5
    endpoint.requests.clear()
    endpoint.reply = honest
    again = make_writer(concurrency=1)
    assert again.write(drafts(music)) == [Wording(question(age)) for age in AGES]
    assert [is_translation(body) for body in endpoint.requests] == [True, True]
    assert (again.usage.kept, again.usage.tokens) == (6, 6 * 13)


def test_nothing_is_asked_for_no_drafts(make_writer, endpoint):
    assert make_writer().write([]) == []
    assert endpoint.requests == []
