"""The search environment answers every call in words and never raises for what a policy wrote."""

from __future__ import annotations

import asyncio

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.graph import PAGES
from lib.environments.environment import CallStatus, ToolCall
from lib.environments.page_index import PageIndex, cut_text
from lib.environments.search import SearchEnvironment
from lib.errors import SourceError
from lib.settings.environment import EnvironmentSettings
from tests.small_world import question, region, town


@pytest.fixture(scope="module")
def index(world_graph):
    return PageIndex.load(world_graph)


def step(index, *calls, **settings):
    environment = SearchEnvironment(index, EnvironmentSettings(**settings))

    async def run():
        await environment.start(question(), seed=0)
        return await environment.step(list(calls))

    return asyncio.run(run()).results


def search(query):
    return ToolCall("search", {"query": query})


def test_the_snippet_is_the_sentence_that_the_query_asks_for(index):
    (result,) = step(index, search("Town 7 region"))
    assert result.status is CallStatus.OK
    assert result.content.split("\n")[0] == f"[{town(7)}] {town(7)} lies in the region {region(7)}."


def test_a_search_returns_no_more_than_the_wanted_results(index):
    (result,) = step(index, search("town"), results_per_search=2)
    assert len(result.content.split("\n")) == 2


def test_a_query_without_a_known_word_finds_nothing(index):
    assert step(index, search("zebra"))[0].content == "No page matches."


def test_a_result_never_contains_the_question_itself():
    leak = PageIndex(["Leak", "Town 0"], [f"Q: {question().prompt} A: North", "Town 0 is a town."])
    (result,) = step(leak, search("In which region does Town 0 lie"))
    assert "Leak" not in result.content and "Town 0" in result.content


def test_a_page_opens_by_its_title_whatever_the_case(index):
    (result,) = step(index, ToolCall("open", {"page": " TOWN 3 "}))
    assert result.content.startswith("Town 3 is a town.")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (ToolCall("open", {"page": "Atlantis"}), "no page 'Atlantis'"),
        (ToolCall("fly", {}), "no tool 'fly'; tools: search, open"),
        (ToolCall("search", {}), "query: Field required"),
        (ToolCall("search", {"query": 7}), "query: Input should be a valid string"),
        (ToolCall("search", {"query": "x" * 500}), "query: String should have at most 400"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_with_the_reason(index, call, words):
    (result,) = step(index, call)
    assert result.status is CallStatus.REFUSED and words in result.content


def test_several_calls_are_answered_in_order(index):
    first, second = step(index, search("Town 1 region"), ToolCall("open", {"page": "Town 2"}))
    assert "Town 1" in first.content and "Town 2" in second.content


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so <answer> North </answer>", "North"),
        ("<answer>a</answer><answer>b</answer>", "b"),
        ("no tag", None),
        ("<answer>open", None),
        ("<answer></answer>", ""),
    ],
)
def test_the_answer_is_read_from_its_tag(index, text, answer):
    assert SearchEnvironment(index, EnvironmentSettings()).parse_answer(text) == answer


def test_labels_of_any_script_are_found():
    index = PageIndex(["القاهرة", "東京", 'The "O\'Neil" <b>'], ["القاهرة عاصمة", "東京 は 都市", "quoted"])
    assert index.search("القاهرة", limit=1, snippet_characters=50)[0].title == "القاهرة"
    assert index.search("東京", limit=1, snippet_characters=50)[0].title == "東京"
    assert index.open('the "o\'neil" <B>', characters=50) == "quoted"


def test_an_index_without_pages_says_what_to_give(tmp_path):
    pq.write_table(PAGES.schema.empty_table(), tmp_path / "pages.parquet")
    with pytest.raises(SourceError, match="no page"):
        PageIndex.load(tmp_path)


def test_text_is_cut_with_a_sign():
    assert cut_text("abcdef", 4) == "abc…" and cut_text("abcd", 4) == "abcd"


def test_pages_may_be_fewer_than_the_results_asked_for():
    table = pa.table({"title": ["only"], "text": ["one page"]})
    index = PageIndex(table["title"].to_pylist(), table["text"].to_pylist())
    assert len(index.search("one", limit=5, snippet_characters=20)) == 1


def test_a_page_that_holds_the_question_is_neither_found_nor_opened():
    asked = question()
    titles = ["Quiz", "Other"]
    leaky = PageIndex(titles, [f"Round one. {asked.prompt} The answer follows.", f"{asked.answer} is a place."])
    found, opened, other = step(leaky, search(asked.prompt), *(ToolCall("open", {"page": title}) for title in titles))
    assert "Quiz" not in found.content
    assert opened.status is CallStatus.REFUSED
    assert other.status is CallStatus.OK


def test_a_title_that_holds_the_question_is_forbidden_too():
    asked = question()
    leaky = PageIndex([asked.prompt, "Other"], [f"{asked.answer}.", f"{asked.answer} is a place."])
    found, opened = step(leaky, search(f"{asked.prompt} {asked.answer}"), ToolCall("open", {"page": asked.prompt}))
    assert asked.prompt not in found.content and "Other" in found.content
    assert opened.status is CallStatus.REFUSED


def test_however_many_pages_hold_the_question_the_results_are_filled():
    asked = question()
    texts = [f"Round {n}. {asked.prompt}" for n in range(30)] + ["Town 0 lies in the region North."] * 2
    leaky = PageIndex([f"Quiz {n}" for n in range(30)] + ["Town 0", "North"], texts)
    (found,) = step(leaky, search(asked.prompt), results_per_search=2)
    assert [line.split("]")[0] for line in found.content.split("\n")] == ["[Town 0", "[North"]


def test_pages_of_one_title_are_told_apart_by_their_ids():
    titles, texts = ["Mercury", "MERCURY", "Venus"], ["Mercury is a planet.", "Mercury is a metal.", "Venus is hot."]
    index = PageIndex(titles, texts, ["p1", "p2", "p3"])
    found, shared, metal, venus = step(
        index,
        search("mercury metal"),
        *(ToolCall("open", {"page": page}) for page in ("mercury", "Mercury (P2)", "venus")),
    )
    assert found.content.split("\n")[0] == "[MERCURY (p2)] Mercury is a metal."
    assert shared.status is CallStatus.OK
    assert shared.content == "Several pages have this title: Mercury (p1); MERCURY (p2)"
    assert (metal.content, venus.content) == ("Mercury is a metal.", "Venus is hot.")


def test_a_question_without_words_forbids_nothing():
    index = PageIndex(["Other"], ["Some text."])
    assert index.open("Other", characters=100, forbidden="???") == "Some text."
