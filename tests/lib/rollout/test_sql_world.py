"""An answer is right by its result, and whatever breaks is not held against it."""

from __future__ import annotations

import asyncio

import pytest

from lib.environments.environment import Question
from lib.environments.sql import DatabaseLostError
from lib.errors import JobError
from lib.rewards.verdict import Outcome
from lib.rollout.sql_world import SqlWorld
from lib.settings.environment import EnvironmentSettings
from tests.small_databases import ENDLESS, MUSIC, collect, write_benchmark, write_sqlite

OLD = "SELECT name FROM singer WHERE age > 28"


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """music, and the same under the rules of two benchmarks."""
    folder = tmp_path_factory.mktemp("databases")
    music = write_sqlite(folder / "music.sqlite", MUSIC)
    benchmarks = [
        {"folder": str(write_benchmark(folder / rule, {"music": MUSIC})), "rule": rule} for rule in ("spider", "bird")
    ]
    return collect(folder / "out", source={"type": "files", "paths": [str(music)]}, benchmarks=benchmarks)


def make_world(databases, *, in_parts=False, **sql):
    settings = EnvironmentSettings.model_validate({"sql": {"workers": 1, **sql}})
    return SqlWorld(databases, settings, in_parts=in_parts)


@pytest.fixture(scope="module")
def world(databases):
    return make_world(databases)


def ask(gold, *aliases, database="music"):
    return Question(id="q", domain="sql", prompt="?", answer=gold, aliases=list(aliases), database_id=database)


def judge(world, question, answer, *, well_formed=True):
    return asyncio.run(world.judge(question, Outcome(answer, well_formed, ("a", "a"))))


@pytest.mark.parametrize(
    "answer",
    [
        OLD,
        "select s.name as who from singer s where not s.age <= 28;",
        "SELECT 'Cid' UNION SELECT 'Ann'",
        "WITH old AS (SELECT * FROM singer WHERE age >= 30) SELECT name FROM old ORDER BY age DESC",
    ],
)
def test_what_gives_the_gold_result_is_right_however_it_is_written(world, answer):
    verdict = judge(world, ask(OLD), answer)
    assert verdict.correct and (verdict.reward.value, verdict.reward.signal) == (1.0, 1.0)


@pytest.mark.parametrize(
    "answer",
    [
        "SELECT name FROM singer",
        "SELECT name, age FROM singer WHERE age > 28",
        "SELECT name FROM singer WHERE age > 99",
        "SELECT upper(name) FROM singer WHERE age > 28",
        "SELECT s.name FROM singer s JOIN song ON singer_id = id WHERE age > 28",
    ],
)
def test_another_result_is_wrong(world, answer):
    verdict = judge(world, ask(OLD), answer)
    assert not verdict.correct and verdict.reward.value == 0 and verdict.answer_key


def test_the_order_of_rows_counts_only_where_the_gold_query_orders_them(world):
    ordered, backwards = "SELECT name FROM singer ORDER BY age", "SELECT name FROM singer ORDER BY age DESC"
    assert not judge(world, ask(ordered), backwards).correct
    assert judge(world, ask(ordered), ordered).correct
    assert judge(world, ask("SELECT name FROM singer"), backwards).correct


def test_any_of_several_gold_queries_makes_an_answer_right(world):
    question = ask(OLD, "SELECT name, age FROM singer WHERE age > 28")
    assert judge(world, question, "SELECT age, name FROM singer WHERE age > 28").correct
    assert judge(world, question, OLD).correct
    assert not judge(world, question, "SELECT age FROM singer WHERE age > 28").correct


@pytest.mark.parametrize("answer", ["SELECT shoe FROM singer", "no SQL", "DELETE FROM song", "SELECT 1; SELECT 2"])
def test_a_query_that_does_not_run_is_wrong_and_amounts_to_nothing(world, answer):
    verdict = judge(world, ask(OLD), answer)
    assert (verdict.correct, verdict.answer_key, verdict.reward.value) == (False, None, 0.0)


@pytest.mark.parametrize("answer", [None, ""])
def test_no_answer_is_wrong_even_where_the_gold_result_is_empty(world, answer):
    verdict = judge(world, ask("SELECT name FROM singer WHERE age > 99"), answer)
    assert (verdict.correct, verdict.answer_key, verdict.reward.value) == (False, None, 0.0)


def test_an_answer_of_bad_form_is_right_and_earns_nothing(world):
    verdict = judge(world, ask(OLD), OLD, well_formed=False)
    assert verdict.correct and verdict.reward.value == 0


def test_queries_that_repeat_each_other_cost_nothing(world):
    assert judge(world, ask(OLD), OLD).reward.value == 1.0


@pytest.mark.parametrize(
    ("answer", "well_formed", "parts"),
    [
        (OLD, True, (0.1, 0.1, 1.0)),
        (OLD, False, (-0.1, 0.1, 1.0)),
        ("SELECT 1", True, (0.1, 0.1, -1.0)),
        ("SELECT shoe FROM singer", True, (0.1, -0.1, -1.0)),
        (None, False, (-0.1, -0.1, -1.0)),
    ],
)
def test_an_episode_that_is_learned_from_earns_its_parts(databases, answer, well_formed, parts):
    reward = judge(make_world(databases, in_parts=True), ask(OLD), answer, well_formed=well_formed).reward
    assert tuple(reward.parts.values()) == parts
    assert reward.value == pytest.approx(sum(parts))


def test_equal_results_have_one_key_whatever_the_order_of_their_columns(world):
    pairs = (
        "SELECT name, age FROM singer",
        "SELECT age AS a, name AS b FROM singer ORDER BY 1",
        "SELECT name FROM singer",
    )
    first, second, other = (judge(world, ask(OLD), answer).answer_key for answer in pairs)
    assert first == second and first and other and first != other


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        ("SELECT DISTINCT singer_id FROM song", "SELECT singer_id FROM song", {"spider", "bird"}),
        ("SELECT id, name FROM singer", "SELECT name, id FROM singer", {"spider", "tolerant"}),
        ("SELECT 0.1 + 0.2", "SELECT 0.3", {"tolerant"}),
        ("SELECT name FROM singer ORDER BY age", "SELECT name FROM singer ORDER BY age DESC", {"bird"}),
    ],
)
def test_each_database_is_judged_by_its_own_rule(world, gold, answer, right):
    places = {"spider": "spider/music", "bird": "bird/music", "tolerant": "music"}
    judged = {rule: judge(world, ask(gold, database=id), answer).correct for rule, id in places.items()}
    assert {rule for rule, correct in judged.items() if correct} == right


def test_an_answer_of_more_rows_than_are_compared_is_never_right(databases):
    world = make_world(databases, answer_rows=2)
    verdict = judge(world, ask(OLD), "SELECT name FROM singer")
    assert (verdict.correct, verdict.answer_key) == (False, None)
    assert judge(world, ask(OLD), OLD).correct


def test_a_gold_query_without_a_result_is_no_fault_of_the_answer(databases):
    world = make_world(databases, query_seconds=0.2)
    with pytest.raises(DatabaseLostError, match="the gold query gave no result"):
        judge(world, ask(ENDLESS), OLD)


@pytest.mark.parametrize("database", ["opera", None])
def test_a_question_about_a_database_that_the_run_lacks_is_told(world, database):
    for act in (world.make_environment, lambda question: judge(world, question, OLD)):
        with pytest.raises(JobError, match="which the run lacks") as raised:
            act(ask(OLD, database=database))
        assert "bird/music, music, spider/music" in raised.value.next_step
