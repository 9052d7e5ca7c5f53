import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from lib.errors import ExecutorError
from lib.sources.sql.executor import spawn
from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile, ErrorKind
from tests.lib.sources.sql.shop import NUM_ORDERS, write_shop

REPOSITORY = Path(__file__).resolve().parents[4]
ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
COUNT = "SELECT count(*) FROM orders"
# Some of SQLite's functions run to their end whatever is asked of them.
DEAF = "SELECT instr(hex(zeroblob(4000000)), hex(zeroblob(2000000)) || '1')"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def pool():
    with Pool(2) as pool:
        pool.wait_until_ready()
        yield pool


def running_pid(pool, since):
    """The worker that has computed since the given CPU times."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for pid, seconds in since.items():
            if cpu_seconds(pid) > seconds + 0.1:
                return pid
        time.sleep(0.01)
    raise AssertionError("no worker computes")


def cpu_seconds(pid):
    return psutil.Process(pid).cpu_times().user


def is_gone(pid, timeout=10.0):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_a_query_returns_columns_rows_and_their_number(pool, shop, dialect):
    result = pool.run(shop[dialect], "SELECT id, name AS who FROM customers ORDER BY id LIMIT 2")
    assert result.columns == ("id", "who")
    assert result.rows == ((0, "customer 0"), (1, "customer 1"))
    assert (result.num_rows, result.truncated, result.error) == (2, False, None)


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELEC 1", ErrorKind.SYNTAX),
        ("SELECT nonsense FROM orders", ErrorKind.UNKNOWN_NAME),
        ("SELECT * FROM nowhere", ErrorKind.UNKNOWN_NAME),
        ("SELECT nofunction(1)", ErrorKind.UNKNOWN_NAME),
        ("SELECT sum(amount, day) FROM orders", ErrorKind.INVALID),
        ("DELETE FROM orders", ErrorKind.REFUSED),
        (ENDLESS, ErrorKind.TIME),
    ],
)
def test_an_error_has_a_kind_and_the_words_of_the_database(pool, shop, dialect, sql, kind):
    result = pool.run(shop[dialect], sql, Limits(seconds=0.3))
    assert result.error.kind is kind
    assert result.error.message
    assert result.rows == ()


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_rows_beyond_the_limit_are_cut_and_counted(pool, shop, dialect):
    result = pool.run(shop[dialect], "SELECT * FROM orders", Limits(rows=10))
    assert (len(result.rows), result.num_rows, result.truncated) == (10, NUM_ORDERS, True)
    exact = pool.run(shop[dialect], "SELECT * FROM orders", Limits(rows=NUM_ORDERS))
    assert (len(exact.rows), exact.truncated) == (NUM_ORDERS, False)


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_counting_ends_at_its_limit(pool, shop, dialect):
    result = pool.run(shop[dialect], "SELECT 1 FROM orders a, orders b", Limits(rows=10, counted_rows=2000))
    assert (len(result.rows), result.num_rows, result.truncated) == (10, None, True)


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_bytes_beyond_the_limit_are_cut_and_a_first_row_that_does_not_fit_is_an_error(pool, shop, dialect):
    some = pool.run(shop[dialect], "SELECT day FROM orders", Limits(num_bytes=1000))
    assert 0 < len(some.rows) < 100 and some.truncated and some.num_rows == NUM_ORDERS
    none = pool.run(shop[dialect], f"SELECT '{'x' * 2000}'", Limits(num_bytes=1000))
    assert none.error.kind is ErrorKind.BYTES


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_no_query_of_many_is_lost_or_swapped(pool, shop, dialect):
    results = pool.run_many([(shop[dialect], f"SELECT {i}") for i in range(500)])
    assert [result.rows for result in results] == [((i,),) for i in range(500)]


def test_a_slow_query_takes_its_own_time_only(pool, shop):
    """Short queries are given to a worker ahead; one that runs away among them must not end the others."""
    queries = [(shop["sqlite"], ENDLESS if i == 200 else f"SELECT {i}") for i in range(400)]
    results = pool.run_many(queries, Limits(seconds=0.5))
    assert results[200].error.kind is ErrorKind.TIME
    assert [result.rows for i, result in enumerate(results) if i != 200] == [((i,),) for i in range(400) if i != 200]


def test_short_queries_do_not_wait_behind_a_slow_one(pool, shop):
    pool.run_many([(shop["sqlite"], COUNT)] * 200)  # from now on, workers are given queries ahead
    finished = {}

    async def ask(name, sql):
        result = await pool.run_async(shop["sqlite"], sql, Limits(seconds=3))
        finished[name] = time.monotonic()
        return result

    async def main():
        return await asyncio.gather(ask("slow", ENDLESS), *(ask(i, f"SELECT {i}") for i in range(100)))

    slow, *quick = asyncio.run(main())
    assert slow.error.kind is ErrorKind.TIME
    assert [result.rows for result in quick] == [((i,),) for i in range(100)]
    assert max(finished[i] for i in range(100)) < finished["slow"] - 1


def test_no_query_is_lost_where_workers_are_told_to_forget_all_the_time(shop, monkeypatch):
    """Patience of nothing at all: each query that is given ahead is taken back as soon as the pool looks."""
    monkeypatch.setattr(spawn, "PATIENCE_S", 0.0)
    slow = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 10000) SELECT count(*) FROM r"
    with Pool(2) as pool:
        queries = [(shop["sqlite"], slow if i % 3 == 0 else f"SELECT {i}") for i in range(300)]
        results = pool.run_many(queries, Limits(seconds=5))
    expected = [10_000 if i % 3 == 0 else i for i in range(300)]
    assert [result.rows for result in results] == [((value,),) for value in expected]


def test_a_query_that_hears_no_interrupt_is_killed_and_its_followers_run_elsewhere(pool, shop):
    queries = [(shop["sqlite"], DEAF if i == 200 else f"SELECT {i}") for i in range(400)]
    started = time.monotonic()
    results = pool.run_many(queries, Limits(seconds=0.3))
    assert time.monotonic() - started < 0.3 + 1 + 1  # a second more for a busy machine
    assert results[200].error.kind is ErrorKind.TIME
    assert [result.rows for i, result in enumerate(results) if i != 200] == [((i,),) for i in range(400) if i != 200]


def test_a_killed_worker_costs_its_query_an_error_and_nobody_else_anything(shop):
    with Pool(2) as pool:
        pool.wait_until_ready()
        cpu = {pid: cpu_seconds(pid) for pid in pool.pids}
        lost = []
        thread = threading.Thread(target=lambda: lost.append(pool.run(shop["sqlite"], ENDLESS, Limits(seconds=60))))
        thread.start()
        victim = running_pid(pool, cpu)
        os.kill(victim, signal.SIGKILL)
        others = pool.run_many([(shop["duckdb"], COUNT)] * 50)
        thread.join(10)
        assert lost[0].error.kind is ErrorKind.WORKER_LOST
        assert all(result.rows == ((NUM_ORDERS,),) for result in others)
        pool.wait_until_ready()
        assert len(pool.pids) == 3 and victim not in pool.pids
        assert is_gone(victim)


def test_killing_workers_again_and_again_loses_no_query_but_those_that_ran(shop):
    with Pool(2) as pool:
        pool.wait_until_ready()
        results, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                results.extend(pool.run_many([(shop["sqlite"], COUNT)] * 20))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        kills = 0
        for _ in range(6):
            time.sleep(0.2)
            for pid in pool.pids[:1]:
                os.kill(pid, signal.SIGKILL)
                kills += 1
        stop.set()
        for thread in threads:
            thread.join(60)
        failures = [result for result in results if not result.ok]
        assert len(failures) <= kills
        assert {result.error.kind for result in failures} <= {ErrorKind.WORKER_LOST}
        assert all(result.rows == ((NUM_ORDERS,),) for result in results if result.ok)


def test_many_threads_use_one_pool(pool, shop):
    answers = {}

    def ask(i):
        answers[i] = [pool.run(shop["duckdb"], f"SELECT {i * 100 + j}").rows[0][0] for j in range(20)]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {i: [i * 100 + j for j in range(20)] for i in range(8)}


def test_asyncio_waits_for_queries_without_standing_still(pool, shop):
    async def main():
        slow = asyncio.create_task(pool.run_async(shop["sqlite"], ENDLESS, Limits(seconds=0.5)))
        quick = await asyncio.gather(*(pool.run_async(shop["duckdb"], f"SELECT {i}") for i in range(50)))
        still_running = not slow.done()
        return quick, still_running, await slow

    quick, still_running, slow = asyncio.run(main())
    assert [result.rows[0][0] for result in quick] == list(range(50))
    assert still_running and slow.error.kind is ErrorKind.TIME


def test_a_cancelled_query_disturbs_nothing(pool, shop):
    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.run_async(shop["sqlite"], ENDLESS, Limits(seconds=0.4)), 0.1)
        return await pool.run_async(shop["sqlite"], COUNT)

    assert asyncio.run(main()).rows == ((NUM_ORDERS,),)


def test_what_a_query_leaves_in_its_session_is_gone_for_the_next(shop):
    with Pool(1) as pool:
        numbers = set()
        for _ in range(2):
            pool.run(shop["duckdb"], "SELECT setseed(0.5)")
            numbers |= set(pool.run(shop["duckdb"], "SELECT random()").rows)
        assert len(numbers) == 2


def test_a_database_that_is_replaced_is_read_anew(pool, tmp_path):
    first = write_shop(tmp_path)
    for database in first.values():
        assert pool.run(database, COUNT).rows == ((NUM_ORDERS,),)
    for name in ("duckdb", "sqlite"):
        (tmp_path / f"shop.{name}").unlink()
    second = write_shop(tmp_path / "new")
    for database in second.values():
        os.replace(database.path, tmp_path / Path(database.path).name)
    for database in first.values():
        assert pool.run(database, COUNT).rows == ((NUM_ORDERS,),)


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_a_file_that_is_no_database_is_an_error_of_the_database(pool, tmp_path, dialect):
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"no database" * 1000)
    for path in (damaged, tmp_path / "missing", tmp_path):
        result = pool.run(DatabaseFile(dialect, str(path)), "SELECT 1")
        assert result.error.kind is ErrorKind.DATABASE
        assert not result.error.kind.is_fault_of_query
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged"]


def test_unfinished_changes_beside_an_sqlite_file_are_told(pool, tmp_path):
    database = write_shop(tmp_path)["sqlite"]
    Path(f"{database.path}-wal").write_bytes(b"changes")
    assert pool.run(database, COUNT).error.kind is ErrorKind.DATABASE


def test_values_of_every_type_arrive_as_python_has_them(pool, shop):
    sql = (
        "SELECT 1.50::DECIMAL(4, 2), DATE '2020-01-02', TIME '03:04', TIMESTAMP '2020-01-02 03:04:05', 'ab'::BLOB, "
        "{'struct': 1, 'x': [NULL, 2]}, [1, 2], INTERVAL '1 day', 170141183460469231731687303715884105727::HUGEINT, "
        "TRUE, NULL, 'Ωß\n', 'inf'::DOUBLE"
    )
    row = pool.run(shop["duckdb"], sql).rows[0]
    assert [type(value).__name__ for value in row] == (
        "Decimal date time datetime bytes dict list timedelta int bool NoneType str float".split()
    )
    assert row[4:7] == (b"ab", {"struct": 1, "x": [None, 2]}, [1, 2])
    assert row[8:12] == (170141183460469231731687303715884105727, True, None, "Ωß\n")


def test_text_that_is_no_utf8_loses_only_the_bytes_that_are_none(pool, shop):
    sql = "SELECT 'a' UNION ALL SELECT CAST(x'62ff63' AS TEXT) UNION ALL SELECT 'd'"
    assert pool.run(shop["sqlite"], sql).rows == (("a",), ("bc",), ("d",))


def test_a_worker_has_no_environment_no_input_and_no_folder(pool):
    for pid in pool.pids:
        process = psutil.Process(pid)
        assert set(process.environ()) <= {"LC_ALL", "MALLOC_ARENA_MAX", "OMP_NUM_THREADS"}
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        assert "(deleted)" in os.readlink(f"/proc/{pid}/cwd")
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert "Max file size             0                    0" in limits


def test_a_worker_has_a_network_of_its_own_and_no_rights_of_a_superuser(pool):
    tries = [subprocess.run(["unshare", flags, "true"], capture_output=True) for flags in ("-n", "-rn")]
    allowed = any(done.returncode == 0 for done in tries)
    for pid in pool.pids:
        if allowed:
            assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
        status = Path(f"/proc/{pid}/status").read_text()
        kept = int(status.split("CapEff:")[1].split()[0], 16)
        assert kept & ~0b100 == 0  # reading files whoever owns them
        assert status.split("NoNewPrivs:")[1].split()[0] == "1"


def test_a_closed_pool_says_so_and_lets_nobody_wait(shop):
    pool = Pool(1)
    pool.wait_until_ready()
    pids, outcome = pool.pids, []

    def ask():
        try:
            pool.run(shop["sqlite"], ENDLESS, Limits(seconds=60))
        except ExecutorError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    pool.close()
    thread.join(10)
    assert len(outcome) == 1
    assert all(is_gone(pid) for pid in pids)
    with pytest.raises(ExecutorError):
        pool.run(shop["sqlite"], COUNT)
    pool.close()


def test_no_worker_outlives_a_killed_parent(shop):
    script = f"""
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor import spawn
from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.result import DatabaseFile
pool = Pool(2)
pool.wait_until_ready()
print(*pool.pids, flush=True)
pool.run_many([(DatabaseFile("sqlite", {shop["sqlite"].path!r}), {ENDLESS!r})] * 2, Limits(seconds=600))
"""
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 3
    time.sleep(0.3)
    parent.kill()
    parent.wait()
    assert all(is_gone(pid) for pid in pids)
