"""The database of a run."""

import duckdb
import pytest

from lib.report.gates import Gate
from lib.report.run_database import TABLES, write_run_database

GATE = Gate("token drift", "tokens in equal tokens out", "evaluate", "turns", "none")


@pytest.fixture(scope="session")
def connection(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "run.duckdb"
    gates = [GATE, GATE.judged(2, False, checked=10, of="turns")]
    write_run_database(path, inputs=run.inputs, lineage=run.lineage, costs=run.costs, gates=gates)
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def test_every_table_is_there_with_a_comment(connection):
    rows = connection.sql("SELECT table_name, comment FROM duckdb_tables()").fetchall()
    assert {name for name, _ in rows} == {*TABLES, "lineage", "costs", "gates"}
    assert all(comment for _, comment in rows)


def test_episodes_keep_their_counts_and_leave_their_tokens(connection):
    columns = connection.sql("SELECT * FROM episodes LIMIT 0").columns
    assert not {"tokens", "action_mask", "logprobs"} & set(columns)
    least = connection.sql("SELECT min(num_tokens), min(num_tokens - num_action_tokens) FROM episodes").fetchall()[0]
    assert least[0] > 0 and least[1] > 0


def test_rows_of_several_stages_name_their_stage(connection):
    query = "SELECT stage, count(*) FROM steps GROUP BY stage ORDER BY stage"
    assert connection.sql(query).fetchall() == [("reinforce", 16), ("warm_up", 24)]


def test_a_gate_without_a_measurement_has_neither_passed_nor_failed(connection):
    assert connection.sql("SELECT measured, passed FROM gates").fetchall() == [(None, None), (2.0, False)]


def test_lineage_has_a_row_for_each_input_and_one_for_a_source(connection, run):
    query = "SELECT stage, count(*), count(input) FROM lineage GROUP BY stage"
    counts = {stage: (rows, inputs) for stage, rows, inputs in connection.sql(query).fetchall()}
    assert counts["source"] == (1, 0)
    assert counts["evaluate"] == (6, 6)


def test_a_run_without_its_later_stages_has_their_tables_empty(run, tmp_path):
    path = tmp_path / "odd 'name'.duckdb"
    write_run_database(path, inputs={"synthesize": run.inputs["synthesize"]}, lineage=[], costs=[], gates=[])
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM scores").fetchall() == [(0,)]
        assert connection.sql("SELECT count(*) FROM questions").fetchall() == [(130,)]
