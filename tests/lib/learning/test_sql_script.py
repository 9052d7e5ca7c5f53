"""The way to an SQL answer, in the real environment: looks, a mistake that is mended, the query, the answer."""

from __future__ import annotations

import asyncio

import pytest

from lib.environments.environment import Question
from lib.environments.sql import SqlEnvironment
from lib.learning.oracle import NOTHING
from lib.learning.sql_script import SqlScript
from lib.policy.tool_calls import parse_tool_calls
from lib.settings.environment import EnvironmentSettings
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.read import read_database
from tests.small_databases import MUSIC, write_duckdb, write_sqlite

TITLES = "SELECT title FROM song JOIN singer ON singer_id = singer.id WHERE singer.name = 'Ann'"
SEEDS = range(40)


@pytest.fixture(scope="module")
def pool():
    with Pool(1) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "duckdb"])
def music(request, tmp_path_factory):
    write = {"sqlite": write_sqlite, "duckdb": write_duckdb}[request.param]
    return read_database(write(tmp_path_factory.mktemp("db") / f"music.{request.param}", MUSIC))


def play(gold, database, pool, *, mistake_share=0.0, max_calls=6, seed=0):
    """What is said, turn by turn, and what the environment shows of it."""
    return asyncio.run(
        _play(SqlScript(gold, mistake_share=mistake_share, max_calls=max_calls, seed=seed), database, pool)
    )


async def _play(script, database, pool):
    environment = SqlEnvironment(database, pool, EnvironmentSettings())
    question = Question(id="q", domain="sql", prompt="?", answer="", database_id=database.id)
    shown = (await environment.start(question, seed=0)).messages[-1].content
    turns = []
    while True:
        said = script.next_turn(shown)
        (call,) = parse_tool_calls(said) or [None]
        if call is None:
            return turns, said
        (result,) = (await environment.step([call])).results
        shown = result.content
        turns.append((call.name, next(iter(call.arguments.values())), shown))


def test_the_tables_are_described_then_the_query_runs_and_is_the_answer(music, pool):
    turns, said = play(TITLES, music, pool)
    assert [turn[:2] for turn in turns] == [("describe", "song, singer"), ("run_sql", TITLES)]
    assert said == f"<answer>{TITLES}</answer>"


def mistaken(database, pool, gold=TITLES, **limits):
    """Scripts with a mistake, by what went wrong."""
    by_kind = {"misnamed": [], "no join": [], "empty": []}
    for seed in SEEDS:
        turns, said = play(gold, database, pool, mistake_share=1.0, seed=seed, **limits)
        assert said == f"<answer>{gold}</answer>"
        (wrong, right) = [turn for turn in turns if turn[0] == "run_sql"]
        assert wrong[1] != right[1] == gold and turns[-1] == right
        assert turns[-2][0] in ("describe", "sample")  # never one query after another
        kind = "empty" if "(no rows)" in wrong[2] else "no join" if "JOIN" not in wrong[1] else "misnamed"
        by_kind[kind].append(turns)
    return by_kind


def test_a_column_by_a_wrong_name_is_refused_and_a_look_at_the_tables_follows(music, pool):
    played = mistaken(music, pool)["misnamed"]
    assert played
    looks = []
    for turns in played:
        (*before, (_, wrong, told), after, (_, right, shown)) = turns
        assert wrong != TITLES and told.startswith("Error:")
        assert after[:2] == ("describe", "song, singer")
        assert (right, shown) == (TITLES, "title\nLa\nDi")
        looks.append([turn[:2] for turn in before])
    assert [] in looks and [after[:2]] in looks  # in haste, and after a look that did not help
    assert {"singer_id = singer.id" in turns[-3][1] for turns in played} == {True, False}


def test_a_join_that_was_forgotten_is_refused_and_the_other_table_is_looked_at(music, pool):
    played = mistaken(music, pool)["no join"]
    assert played
    for turns in played:
        (*first, (_, wrong, told), second, _) = turns
        assert [turn[:2] for turn in first] in ([], [("describe", "song")])
        assert second[:2] == ("describe", "song, singer")
        assert wrong == "SELECT title FROM song WHERE name = 'Ann'" and told.startswith("Error:")


def test_a_value_in_the_wrong_case_finds_nothing_and_is_mended_after_a_look_at_rows(music, pool):
    empty = mistaken(music, pool)["empty"]
    assert empty
    for turns in empty:
        (*_, (_, wrong, told), (tool, table, rows), (_, right, _)) = turns
        assert wrong == TITLES.replace("'Ann'", "'ann'") and told == "title\n(no rows)"
        assert (tool, table) == ("sample", "song") and rows.startswith("title | singer_id\n")
        assert right == TITLES


def test_mistakes_come_as_often_as_wanted(music, pool):
    counts = {}
    for share in (0.0, 0.5, 1.0):
        played = [play(TITLES, music, pool, mistake_share=share, seed=seed)[0] for seed in SEEDS]
        counts[share] = sum(sum(turn[0] == "run_sql" for turn in turns) > 1 for turns in played)
    assert counts[0.0] == 0 and counts[1.0] == len(SEEDS)
    assert 28 <= counts[0.5] <= 39  # each of three steps goes wrong with this chance: 7 of 8 episodes


def test_a_query_in_which_no_mistake_can_be_made_is_played_without_one(music, pool):
    turns, said = play("SELECT count(*) FROM song", music, pool, mistake_share=1.0)
    assert [turn[0] for turn in turns] == ["describe", "run_sql"]
    assert said == "<answer>SELECT count(*) FROM song</answer>"


@pytest.mark.parametrize("max_calls", [1, 2, 3, 4, 6])
def test_no_script_makes_more_calls_than_are_allowed(music, pool, max_calls):
    for seed in SEEDS:
        turns, said = play(TITLES, music, pool, mistake_share=0.7, max_calls=max_calls, seed=seed)
        assert len(turns) <= max_calls
        assert turns[-1][:2] == ("run_sql", TITLES) and said == f"<answer>{TITLES}</answer>"


@pytest.mark.parametrize(("max_calls", "looks"), [(1, []), (2, ["song, singer"]), (6, ["song, singer"])])
def test_where_a_single_call_is_allowed_the_look_is_left_out(music, pool, max_calls, looks):
    turns, _ = play(TITLES, music, pool, max_calls=max_calls)
    assert [turn[1] for turn in turns if turn[0] == "describe"] == looks


def test_of_many_tables_the_first_are_looked_at(pool, tmp_path):
    script = "; ".join(f"CREATE TABLE t{n} (id INTEGER); INSERT INTO t{n} VALUES ({n})" for n in range(5))
    database = read_database(write_sqlite(tmp_path / "five.sqlite", script))
    turns, _ = play("SELECT * FROM t0, t1, t2, t3, t4", database, pool, max_calls=10)
    assert [turn[1] for turn in turns if turn[0] == "describe"] == ["t0, t1, t2"]


def test_a_name_that_the_query_gives_itself_is_no_table_to_look_at(music, pool):
    gold = "WITH old AS (SELECT * FROM singer WHERE age > 28) SELECT count(*) FROM old"
    turns, said = play(gold, music, pool)
    assert [turn[:2] for turn in turns] == [("describe", "singer"), ("run_sql", gold)]
    assert said == f"<answer>{gold}</answer>"


@pytest.mark.parametrize("gold", ["SELECT shoe FROM singer", "SELECT * FROM nowhere", "no SQL at all"])
def test_a_gold_query_that_fails_demonstrates_nothing(music, pool, gold):
    turns, said = play(gold, music, pool)
    assert said == NOTHING and "Error:" in turns[-1][2]


def test_equal_seeds_give_equal_scripts_and_others_differ(music, pool):
    played = [[play(TITLES, music, pool, mistake_share=0.5, seed=seed) for seed in SEEDS] for _ in range(2)]
    assert played[0] == played[1]
    assert len({str(turns) for turns in played[0]}) >= 4


def test_a_quoted_value_is_changed_with_its_quotes_kept(pool, tmp_path):
    script = "CREATE TABLE pub (title TEXT); INSERT INTO pub VALUES ('O''Neil')"
    database = read_database(write_sqlite(tmp_path / "pubs.sqlite", script))
    gold = "SELECT count(title) FROM pub WHERE title = 'O''Neil' GROUP BY title"
    empty = mistaken(database, pool, gold)["empty"]
    assert empty
    wrong = [turn[1] for turn in empty[0] if turn[0] == "run_sql"][0]
    assert "'o''neil'" in wrong


def test_a_value_that_looks_like_an_error_is_none(pool, tmp_path):
    script = "CREATE TABLE log (line TEXT, n INTEGER); INSERT INTO log VALUES ('a Error: b', 1)"
    database = read_database(write_sqlite(tmp_path / "log.sqlite", script))
    gold = "SELECT line FROM log"
    turns, said = play(gold, database, pool)
    assert "Error:" in turns[-1][2] and said == f"<answer>{gold}</answer>"
