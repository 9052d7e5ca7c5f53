"""The SQL environment shows results and errors in the database's words, and never raises for what a policy wrote."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from lib.environments.environment import CallStatus, Question, ToolCall
from lib.environments.sql import SqlEnvironment
from lib.settings.environment import TOOLS, EnvironmentSettings
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.read import read_database
from tests.small_databases import ENDLESS, MUSIC, kill_busy_worker, write_duckdb, write_sqlite

WRITE = {"sqlite": write_sqlite, "duckdb": write_duckdb}
QUESTION = Question(id="q", domain="sql", prompt="Who sings?", answer="SELECT 1", database_id="music")


@pytest.fixture(scope="module")
def pool():
    with Pool(1) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "duckdb"])
def music(request, tmp_path_factory):
    return read_database(WRITE[request.param](tmp_path_factory.mktemp("db") / f"music.{request.param}", MUSIC))


def environment(database, pool, *, tool_timeout_s=30.0, **sql):
    settings = EnvironmentSettings.model_validate({"tool_timeout_s": tool_timeout_s, "sql": sql})
    return SqlEnvironment(database, pool, settings)


def step(database, pool, *calls, **settings):
    return asyncio.run(environment(database, pool, **settings).step(list(calls))).results


def run_sql(query):
    return ToolCall("run_sql", {"query": query})


def shown(database, pool, query, **settings):
    (result,) = step(database, pool, run_sql(query), **settings)
    assert result.status is CallStatus.OK
    return result.content


def test_the_opening_names_the_engine_the_tools_and_the_tables_and_not_the_answer(music, pool):
    start = asyncio.run(environment(music, pool).start(QUESTION, seed=0))
    system, user = start.messages
    assert (system.role, user.role) == ("system", "user")
    assert {"sqlite": "one SQLite query", "duckdb": "one DuckDB query"}[music.dialect] in system.content
    assert user.content == "Tables: singer, song\nWho sings?"
    assert [tool["function"]["name"] for tool in start.tools] == [*TOOLS["sql"]]


def test_a_result_is_its_header_and_its_rows(music, pool):
    query = "SELECT name, age AS years FROM singer ORDER BY age"
    assert shown(music, pool, query) == "name | years\nBob | 25\nAnn | 30\nCid | 41"


@pytest.mark.parametrize(("rows", "more"), [(1, "\n... and 2 more rows"), (2, "\n... and 1 more rows"), (3, "")])
def test_of_more_rows_than_are_shown_the_rest_is_counted(music, pool, rows, more):
    lines = ["id", "1", "2", "3"][: rows + 1]
    assert shown(music, pool, "SELECT id FROM singer ORDER BY id", rows=rows) == "\n".join(lines) + more


def test_a_result_without_rows_says_so_under_its_header(music, pool):
    assert shown(music, pool, "SELECT name FROM singer WHERE age > 99") == "name\n(no rows)"


def test_large_numbers_of_further_rows_are_readable(music, pool):
    query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1502) SELECT i FROM n"
    assert shown(music, pool, query, rows=2) == "i\n1\n2\n... and 1,500 more rows"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT shoe FROM singer", "shoe"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELEC 1", "syntax error"),
        ("", "query: String should have at least 1 character"),
        ("DELETE FROM song", ""),
        ("SELECT 1; SELECT 2", ""),
    ],
)
def test_a_query_that_fails_is_told_in_words_and_the_episode_goes_on(music, pool, query, words):
    failed, after = step(music, pool, run_sql(query), run_sql("SELECT count(*) AS n FROM song"))
    assert failed.status is (CallStatus.OK if query else CallStatus.REFUSED)
    assert failed.content.startswith("Error: ") and words in failed.content and len(failed.content) > len("Error: ")
    assert after.content == "n\n3"


def test_a_query_without_end_is_ended_in_its_time_and_told(music, pool):
    assert "Error: " in shown(music, pool, ENDLESS, query_seconds=0.2)
    assert shown(music, pool, "SELECT 1 AS n") == "n\n1"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("SELECT '\ud800'", CallStatus.REFUSED),
        ("SELECT 1 --\0", CallStatus.OK),
        ("SELECT '\u202e\x1b[31m'", CallStatus.OK),
        ("🎵" * 20, CallStatus.OK),
    ],
)
def test_signs_that_no_query_holds_are_no_fault_of_the_tool(music, pool, query, status):
    (result, after) = step(music, pool, run_sql(query), run_sql("SELECT 1 AS n"))
    assert result.status is status
    assert after.content == "n\n1"


@pytest.mark.parametrize("name", ["song", "SONG", '"song"', "`song` ", "[song]"])
def test_a_table_is_described_whatever_the_case_and_the_quotes_of_its_name(music, pool, name):
    (result,) = step(music, pool, ToolCall("describe", {"table": name}))
    title = music.column("song", "title").samples[0]
    assert result.content == f"song(title: '{title}', singer_id -> singer.id)"


@pytest.mark.parametrize("tool", ["describe", "sample"])
def test_an_unknown_table_is_no_refusal_and_lists_the_tables_that_there_are(music, pool, tool):
    (result,) = step(music, pool, ToolCall(tool, {"table": "nowhere"}))
    assert result.status is CallStatus.OK
    assert result.content == "Error: no such table: nowhere; tables: singer, song"


def test_a_sample_is_the_first_rows_three_unless_told(music, pool):
    three, one = step(
        music, pool, ToolCall("sample", {"table": "Singer"}), ToolCall("sample", {"table": "singer", "n": 1})
    )
    assert three.content == "id | name | age\n1 | Ann | 30\n2 | Bob | 25\n3 | Cid | 41"
    assert one.content == "id | name | age\n1 | Ann | 30"


@pytest.mark.parametrize(
    "call", [("fly", {}), ("sample", {"table": "song", "n": 0}), ("describe", {}), ("run_sql", {})]
)
def test_a_call_that_does_not_fit_is_refused(music, pool, call):
    (result,) = step(music, pool, ToolCall(*call))
    assert result.status is CallStatus.REFUSED and result.content.startswith("Error: ")


def test_several_tables_are_described_by_one_call_and_those_that_are_not_there_are_told(music, pool):
    (result,) = step(music, pool, ToolCall("describe", {"table": "song, 'singer' ,opera"}))
    song, singer, opera = result.content.split("\n")
    assert song.startswith("song(title") and singer.startswith("singer(id")
    assert opera == "Error: no such table: opera; tables: singer, song"


def test_a_table_whose_name_has_a_comma_is_described_alone_and_among_others(pool, tmp_path):
    path = write_sqlite(tmp_path / "c.sqlite", 'CREATE TABLE "a, b" (n INTEGER); CREATE TABLE c (m INTEGER)')
    database = read_database(path)
    for asked, told in (("a, b", "a, b(n)"), ('"a, b"', "a, b(n)"), ('c, "a, b"', "c(m)\na, b(n)")):
        (result,) = step(database, pool, ToolCall("describe", {"table": asked}))
        assert result.content == told


def test_a_table_with_a_strange_name_can_be_described_and_sampled(pool, tmp_path):
    script = 'CREATE TABLE "the order" ("group by" INTEGER); INSERT INTO "the order" VALUES (7)'
    database = read_database(write_sqlite(tmp_path / "odd.sqlite", script))
    described, sampled = step(
        database, pool, *(ToolCall(tool, {"table": '"the order"'}) for tool in ("describe", "sample"))
    )
    assert described.content == "the order(group by: 7)"
    assert sampled.content == "group by\n7"


def test_cells_are_told_shortly_in_one_line(music, pool):
    blob = {"sqlite": "zeroblob(2000)", "duckdb": "repeat('x', 2000)::BLOB"}[music.dialect]
    query = f"SELECT NULL AS a, {blob} AS b, 0.1 + 0.2 AS c, 'x\n  y' AS d, '{'long ' * 9}' AS e, 2.0 AS f"
    header, row = shown(music, pool, query, cell_characters=12).split("\n")
    assert header == "a | b | c | d | e | f"
    *cells, last = row.split(" | ")
    assert cells == ["NULL", "<2,000 bytes>", "0.3", "x y", "long long lo..."]
    assert float(last) == 2


def test_a_worker_that_dies_fails_the_call_and_not_the_next_one(music):
    with Pool(1) as pool:
        env = environment(music, pool, query_seconds=60)

        async def play():
            asked = asyncio.create_task(env.step([run_sql(ENDLESS)]))
            await asyncio.to_thread(kill_busy_worker, pool)
            return await asked, await env.step([run_sql("SELECT count(*) AS n FROM song")])

        lost, after = (step.results[0] for step in asyncio.run(play()))
    assert lost.status is CallStatus.FAILED and "DatabaseLostError" in lost.content
    assert (after.status, after.content) == (CallStatus.OK, "n\n3")


def test_a_file_that_is_gone_is_not_the_fault_of_the_query(pool, tmp_path):
    path = write_sqlite(tmp_path / "gone.sqlite", MUSIC)
    database = read_database(path)
    path.unlink()
    (result,) = step(database, pool, run_sql("SELECT 1 FROM song"))
    assert result.status is CallStatus.FAILED


def test_an_executor_that_hangs_is_a_failed_call(music):
    with Pool(1) as pool:
        pool.wait_until_ready()
        for pid in pool.pids:
            os.kill(pid, signal.SIGSTOP)
        (result,) = step(music, pool, run_sql("SELECT 1"), tool_timeout_s=0.05, query_seconds=0.05)
    assert result.status is CallStatus.FAILED and "gave no result within 0.1 s" in result.content
