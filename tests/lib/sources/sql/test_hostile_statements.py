import hashlib
import os
from pathlib import Path

import pytest

from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.pool import Pool
from tests.lib.sources.sql.hostile_statements import hostile_statements
from tests.lib.sources.sql.run_hostile import run_hostile
from tests.lib.sources.sql.shop import NUM_ORDERS, write_shop

LIMITS = Limits(seconds=0.4, rows=1000, counted_rows=5000, num_bytes=1 << 20)
# A limit and one second, and half a second more for a test machine that has other things to do.
LATEST_S = LIMITS.seconds + 1.5
# What an ordinary query says after each statement: the data, and what settings and names of the session would change.
AFTERWARDS = {
    "duckdb": (
        "SELECT count(*), sum(amount), 'a' LIKE 'A', (SELECT count(*) FROM customers), "
        "(SELECT md5(string_agg(name || value, ',' ORDER BY name)) FROM duckdb_settings()), "
        "(SELECT string_agg(table_name, ',' ORDER BY table_name) FROM duckdb_tables()), "
        "getvariable('secret'), (SELECT count(*) FROM duckdb_databases()) FROM orders"
    ),
    "sqlite": (
        "SELECT count(*), sum(amount), 'a' LIKE 'A', (SELECT count(*) FROM customers), "
        "(SELECT group_concat(name) FROM pragma_table_list) FROM orders"
    ),
}


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_corpus_has_at_least_150_different_statements():
    assert len({(row.dialect, row.sql) for row in hostile_statements("/folder")}) >= 150


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_every_hostile_statement_ends_in_time_as_expected_and_leaves_nothing_behind(tmp_path, dialect):
    shop = write_shop(tmp_path)
    before, elsewhere = digest(tmp_path), set(os.listdir("/tmp"))
    wrong = []
    with Pool(1, memory_mb=256) as pool:
        pool.wait_until_ready()
        healthy = pool.run(shop[dialect], AFTERWARDS[dialect])
        assert healthy.ok and healthy.rows[0][0] == NUM_ORDERS
        for row in hostile_statements(str(tmp_path)):
            if row.dialect != dialect:
                continue
            outcome = run_hostile(pool, shop, row, LIMITS)
            if not outcome.expected:
                wrong.append((row.sql[:80], f"{outcome.kind} where {row.expected} is expected", outcome.message[:80]))
            if outcome.seconds > LATEST_S:
                wrong.append((row.sql[:80], f"took {outcome.seconds:.2f} s"))
            after = pool.run(shop[dialect], AFTERWARDS[dialect])
            if after.rows != healthy.rows:
                wrong.append((row.sql[:80], f"the next query says {after.error or after.rows}"))
            if len(os.listdir(tmp_path)) != len(before):
                wrong.append((row.sql[:80], f"made a file: {os.listdir(tmp_path)}"))
    assert wrong == []
    assert digest(tmp_path) == before
    assert not [name for name in set(os.listdir("/tmp")) - elsewhere if name.startswith(("out", "new", "export", "x."))]
